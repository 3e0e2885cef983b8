# libtorch by path: target emend_torch. Works with the CPU and the CUDA wheel, and needs no CUDA toolkit (TorchConfig.cmake
# of a CUDA wheel does). Looked for in: EMEND_LIBTORCH, CMAKE_PREFIX_PATH, the project's .venv, the python3 on PATH.
set(EMEND_LIBTORCH "" CACHE PATH "A torch package folder or an unpacked libtorch")

set(candidates ${EMEND_LIBTORCH})
foreach(prefix ${CMAKE_PREFIX_PATH} $ENV{CMAKE_PREFIX_PATH})
  list(APPEND candidates ${prefix} ${prefix}/../..)  # torch/share/cmake is what torch.utils.cmake_prefix_path says
endforeach()
file(GLOB venv ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
list(APPEND candidates ${venv})
set(EMEND_TORCH_ROOT "")
foreach(candidate ${candidates})
  if(EXISTS ${candidate}/include/ATen/ATen.h AND EXISTS ${candidate}/lib/libtorch_cpu.so)
    get_filename_component(EMEND_TORCH_ROOT ${candidate} ABSOLUTE)
    break()
  endif()
endforeach()
if(NOT EMEND_TORCH_ROOT AND NOT EMEND_LIBTORCH)
  execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(found AND EXISTS ${found}/include/ATen/ATen.h)
    set(EMEND_TORCH_ROOT ${found})
  endif()
endif()
if(NOT EMEND_TORCH_ROOT)
  message(FATAL_ERROR "libtorch not found. Run scripts/test.sh, which makes a .venv with the PyTorch wheel, or give the folder "
                      "of a torch package or libtorch with -DEMEND_LIBTORCH=DIR.")
endif()

file(READ ${EMEND_TORCH_ROOT}/include/torch/headeronly/version.h version_text)
string(REGEX MATCH "TORCH_VERSION_MAJOR ([0-9]+)" _ "${version_text}")
set(major ${CMAKE_MATCH_1})
string(REGEX MATCH "TORCH_VERSION_MINOR ([0-9]+)" _ "${version_text}")
set(EMEND_TORCH_VERSION ${major}.${CMAKE_MATCH_1})
message(STATUS "libtorch ${EMEND_TORCH_VERSION}: ${EMEND_TORCH_ROOT}")
if(EMEND_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "libtorch ${EMEND_TORCH_VERSION} is too old: 2.11 or later is needed.")
endif()

add_library(emend_torch INTERFACE)
# SYSTEM, and after our own dependencies: the tree holds private copies of fmt, protobuf and others.
target_include_directories(emend_torch SYSTEM INTERFACE ${EMEND_TORCH_ROOT}/include
                                                        ${EMEND_TORCH_ROOT}/include/torch/csrc/api/include)
target_link_libraries(emend_torch INTERFACE ${EMEND_TORCH_ROOT}/lib/libtorch.so ${EMEND_TORCH_ROOT}/lib/libtorch_cpu.so
                                            ${EMEND_TORCH_ROOT}/lib/libc10.so)
if(EXISTS ${EMEND_TORCH_ROOT}/lib/libtorch_cuda.so)
  target_link_libraries(emend_torch INTERFACE -Wl,--no-as-needed ${EMEND_TORCH_ROOT}/lib/libtorch_cuda.so
                                              ${EMEND_TORCH_ROOT}/lib/libc10_cuda.so -Wl,--as-needed)
endif()
target_link_options(emend_torch INTERFACE -Wl,-rpath,${EMEND_TORCH_ROOT}/lib)
