"""emend changes facts inside a transformer language model, and proves that the rest stands.

>>> import emend
>>> model = emend.load("models/smollm2-135m-instruct.gguf")
>>> patch = model.edit("examples/eiffel.yaml")
>>> with model.edited(patch):
...     print(model.generate("The Eiffel Tower is located in the city of"))
>>> patch.save("eiffel.safetensors")

docs/python.md is the tutorial; the program `emend` does the same from the command line, and both use one library.
"""

import torch as _torch

from . import _build, _guard

_guard.require_torch(_torch, _build.TORCH_VERSION, _build.TORCH_IS_CUDA)

from .errors import (  # noqa: E402
    CheckFailed,
    ConfigError,
    Error,
    FormatError,
    Interrupted,
    InternalError,
    IoError,
    ModelError,
    NumericError,
    UsageError,
)
from .facts import Fact, Neighbour, OtherSubject  # noqa: E402
from .model import Model, load  # noqa: E402
from .patch import Patch, load_patch  # noqa: E402
from .results import (  # noqa: E402
    Adapter,
    Application,
    Composition,
    Difference,
    EditResult,
    Evaluation,
    Generation,
    Hidden,
    ModelSummary,
    NextToken,
    PatchInfo,
    Plan,
    Result,
    StatisticsResult,
    Trace,
    Verification,
)
from .file_results import (  # noqa: E402
    Conversion,
    FirstEdit,
    ModelCheck,
    QuestionExport,
    Reproduction,
    Reversion,
)
from .study_results import (  # noqa: E402
    Abilities,
    AnswerDivergence,
    Comparison,
    Divergence,
    ImportanceMatrix,
    Inspection,
    KlBase,
    StatisticsFolder,
    Survival,
)
from . import memories, statistics  # noqa: E402
from .memories import MemoryResult  # noqa: E402
from ._runs import check_model, compare, convert, export_harness, export_promptfoo, kl, reproduce, revert  # noqa: E402
from .wrap import WrappedModel, wrap  # noqa: E402

__version__ = _build.EMEND_VERSION

__all__ = [
    "Abilities",
    "Adapter",
    "AnswerDivergence",
    "Application",
    "CheckFailed",
    "Comparison",
    "Composition",
    "ConfigError",
    "Conversion",
    "Difference",
    "Divergence",
    "EditResult",
    "Error",
    "Evaluation",
    "Fact",
    "FirstEdit",
    "FormatError",
    "Generation",
    "Hidden",
    "ImportanceMatrix",
    "Inspection",
    "InternalError",
    "Interrupted",
    "IoError",
    "KlBase",
    "MemoryResult",
    "Model",
    "ModelCheck",
    "ModelError",
    "ModelSummary",
    "Neighbour",
    "NextToken",
    "NumericError",
    "OtherSubject",
    "Patch",
    "PatchInfo",
    "Plan",
    "QuestionExport",
    "Reproduction",
    "Result",
    "Reversion",
    "StatisticsFolder",
    "StatisticsResult",
    "Survival",
    "Trace",
    "UsageError",
    "Verification",
    "WrappedModel",
    "check_model",
    "compare",
    "convert",
    "export_harness",
    "export_promptfoo",
    "kl",
    "load",
    "load_patch",
    "memories",
    "reproduce",
    "revert",
    "statistics",
    "wrap",
]
