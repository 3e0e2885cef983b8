"""What this build of emend was made for; CMake writes the module."""

TORCH_VERSION: str
TORCH_IS_CUDA: bool
EMEND_VERSION: str
