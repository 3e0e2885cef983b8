# The libtorch of this build: target emend_torch. Looked for in: EMEND_LIBTORCH, CMAKE_PREFIX_PATH, the project's .venv, the
# python3 on PATH.
include(Libtorch)
set(EMEND_LIBTORCH "" CACHE PATH "A torch package folder or an unpacked libtorch")

emend_libtorch_prefixes(prefixes)
file(GLOB venv ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
emend_find_libtorch(EMEND_TORCH_ROOT EMEND_TORCH_VERSION ${EMEND_LIBTORCH} ${prefixes} ${venv})
if(NOT EMEND_TORCH_ROOT AND NOT EMEND_LIBTORCH)
  execute_process(COMMAND python3 -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(found)
    emend_find_libtorch(EMEND_TORCH_ROOT EMEND_TORCH_VERSION ${found})
  endif()
endif()
if(NOT EMEND_TORCH_ROOT)
  message(FATAL_ERROR "libtorch not found. Run scripts/test.sh, which makes a .venv with the PyTorch wheel, or give the folder "
                      "of a torch package or libtorch with -DEMEND_LIBTORCH=DIR.")
endif()
message(STATUS "libtorch ${EMEND_TORCH_VERSION}: ${EMEND_TORCH_ROOT}")
if(EMEND_TORCH_VERSION VERSION_LESS 2.11)
  message(FATAL_ERROR "libtorch ${EMEND_TORCH_VERSION} is too old: 2.11 or later is needed.")
endif()

add_library(emend_torch INTERFACE)
emend_use_libtorch(emend_torch ${EMEND_TORCH_ROOT})
# In code that is compiled without OpenMP at::parallel_for is a plain loop, without a word (findings/parallel_for_runs_alone.sh).
# What runs is the libgomp that lies beside libtorch. clang, of the fuzz targets, has no OpenMP of its own in Debian.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(emend_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
  target_link_options(emend_torch INTERFACE -fopenmp)
endif()

# With CUDA's headers at hand (a toolkit's, or those beside the wheel when they are whole) steps of a search are recorded as CUDA
# graphs; nothing else needs them. -DEMEND_CUDA_GRAPHS=OFF does without.
option(EMEND_CUDA_GRAPHS "Record steps of a search as CUDA graphs where CUDA's headers are found" ON)
if(NOT EXISTS ${EMEND_TORCH_ROOT}/lib/libtorch_cuda.so)
  set(EMEND_CUDA_GRAPHS OFF)
endif()
if(EMEND_CUDA_GRAPHS)
  file(GLOB beside ${EMEND_TORCH_ROOT}/../nvidia/*/include)
  find_path(EMEND_CUDA_INCLUDE crt/host_config.h HINTS ${beside} $ENV{CUDA_HOME}/include /usr/local/cuda/include
            DOC "CUDA's headers; steps of a search are recorded as CUDA graphs with them")
  if(NOT EXISTS ${EMEND_CUDA_INCLUDE}/cuda_runtime_api.h)
    set(EMEND_CUDA_GRAPHS OFF)
  endif()
  message(STATUS "CUDA graphs: ${EMEND_CUDA_GRAPHS}")
endif()
