# libtorch by path, here and in the installed package. Works with the CPU and the CUDA wheel, and needs no CUDA toolkit
# (TorchConfig.cmake of a CUDA wheel does).

# The first of the candidates that is a torch package folder or an unpacked libtorch, and its version "2.13"; both empty when
# there is none.
function(emend_find_libtorch root_variable version_variable)
  set(root "")
  set(version "")
  foreach(candidate ${ARGN})
    if(EXISTS ${candidate}/include/ATen/ATen.h AND EXISTS ${candidate}/lib/libtorch_cpu.so)
      get_filename_component(root ${candidate} ABSOLUTE)
      file(READ ${root}/include/torch/headeronly/version.h version_text)
      string(REGEX MATCH "TORCH_VERSION_MAJOR ([0-9]+)" _ "${version_text}")
      set(version ${CMAKE_MATCH_1})
      string(REGEX MATCH "TORCH_VERSION_MINOR ([0-9]+)" _ "${version_text}")
      set(version ${version}.${CMAKE_MATCH_1})
      break()
    endif()
  endforeach()
  set(${root_variable} "${root}" PARENT_SCOPE)
  set(${version_variable} "${version}" PARENT_SCOPE)
endfunction()

# The folders that CMAKE_PREFIX_PATH may mean: a libtorch, or torch/share/cmake, which torch.utils.cmake_prefix_path says.
function(emend_libtorch_prefixes variable)
  set(folders "")
  foreach(prefix ${CMAKE_PREFIX_PATH} $ENV{CMAKE_PREFIX_PATH})
    list(APPEND folders ${prefix} ${prefix}/../..)
  endforeach()
  set(${variable} "${folders}" PARENT_SCOPE)
endfunction()

# What links and compiles against the libtorch in `root` gets from the interface library `target`.
function(emend_use_libtorch target root)
  # SYSTEM, and after our own dependencies: the tree holds private copies of fmt, protobuf and others.
  target_include_directories(${target} SYSTEM INTERFACE ${root}/include ${root}/include/torch/csrc/api/include)
  # libtorch_cpu.so exports parts of a libstdc++ of its own (std::filesystem), which a newer compiler's code does not fit:
  # the system's libstdc++ is searched first (findings/libtorch_exports_libstdcxx.sh).
  target_link_libraries(${target} INTERFACE -lstdc++ ${root}/lib/libtorch.so ${root}/lib/libtorch_cpu.so ${root}/lib/libc10.so)
  if(EXISTS ${root}/lib/libtorch_cuda.so)
    target_link_libraries(${target} INTERFACE -Wl,--no-as-needed ${root}/lib/libtorch_cuda.so ${root}/lib/libc10_cuda.so
                                              -Wl,--as-needed)
  endif()
  if(NOT SKBUILD)  # a wheel finds torch beside itself, wherever it is installed
    target_link_options(${target} INTERFACE -Wl,-rpath,${root}/lib)
  endif()
endfunction()
