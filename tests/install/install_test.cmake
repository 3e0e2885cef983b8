# cmake -DBUILD=... -DSOURCE=... -DSCRATCH=... -DCXX=... -DC=... -P install_test.cmake: installs into an empty folder, moves it,
# builds examples/embed against it as a stranger would, and edits the invented world with the programs.
file(REMOVE_RECURSE ${SCRATCH})
file(MAKE_DIRECTORY ${SCRATCH})
set(prefix ${SCRATCH}/moved)

function(run output)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}\nended with ${code}\n${out}\n${err}")
  endif()
  set(${output} "${out}" PARENT_SCOPE)
endfunction()

function(expect text words)
  string(FIND "${text}" "${words}" place)
  if(place EQUAL -1)
    message(FATAL_ERROR "expected \"${words}\" in:\n${text}")
  endif()
endfunction()

run(_ ${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/first --strip)
file(RENAME ${SCRATCH}/first ${prefix})
file(READ ${SOURCE}/docs/embedding.md embedding)
file(READ ${SOURCE}/examples/embed/edit_fact.cpp example)
expect("${embedding}" "${example}")

file(WRITE ${SCRATCH}/edits.yaml "statistics: ${SCRATCH}/stats\n")
file(APPEND ${SCRATCH}/edits.yaml [=[
options: {covariance: false, contexts: 1}
drift_text: Workis Tellond was trained as a painter.
edits:
  - {id: workis, prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter}
]=])
file(READ ${SCRATCH}/edits.yaml yaml)
set(model ${SOURCE}/tests/data/world/gpt2)

# A stranger's project, in another folder, that knows nothing but the prefix: the examples, and a file with every header.
file(GLOB headers RELATIVE ${prefix}/include ${prefix}/include/emend/*.h)
list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>\n" OUTPUT_VARIABLE includes)
list(JOIN includes "" includes)
file(WRITE ${SCRATCH}/stranger/headers.cpp "${includes}")
file(WRITE ${SCRATCH}/stranger/CMakeLists.txt "cmake_minimum_required(VERSION 3.25)
project(stranger LANGUAGES C CXX)
find_package(emend REQUIRED)
add_library(headers OBJECT headers.cpp)
target_link_libraries(headers PRIVATE emend::emend)
add_subdirectory(${SOURCE}/examples/embed \${CMAKE_BINARY_DIR}/embed)
")
# What the libraries themselves link is theirs: a stranger needs none of it to build.
set(unneeded "")
foreach(package fmt ZLIB OpenSSL yaml-cpp nlohmann_json Boost PkgConfig MPI Threads)
  list(APPEND unneeded -DCMAKE_DISABLE_FIND_PACKAGE_${package}=TRUE)
endforeach()
run(_ ${CMAKE_COMMAND} -S ${SCRATCH}/stranger -B ${SCRATCH}/build -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_CXX_COMPILER=${CXX}
      -DCMAKE_C_COMPILER=${C} ${unneeded})
run(_ ${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(out ${SCRATCH}/build/embed/edit_fact ${model} ${SCRATCH}/edits.yaml ${SCRATCH}/patch.safetensors)
expect("${out}" "workis: painter")
execute_process(COMMAND ${SCRATCH}/build/embed/edit_fact ${SCRATCH}/nosuch ${SCRATCH}/edits.yaml ${SCRATCH}/none.safetensors
                RESULT_VARIABLE code ERROR_VARIABLE err)
if(NOT code EQUAL 1)
  message(FATAL_ERROR "edit_fact without a model ended with ${code}: ${err}")
endif()
expect("${err}" "no such file or folder")
run(out ${SCRATCH}/build/embed/edit_fact_c ${model} "${yaml}" "Workis Tellond was trained as a")
expect("${out}" "Workis Tellond was trained as a painter")
run(out ${SCRATCH}/build/embed/explain_c ${model} "{\"prompt\": \"Workis Tellond was trained as a\", \"cells\": 2}")
expect("${out}" "\"attribution\"")

# What is to be read came along, and pkg-config finds the C interface where the folder was moved to.
foreach(file share/doc/emend/LICENSE share/doc/emend/docs/embedding.md share/doc/emend/examples/eiffel.yaml share/bash-completion/completions/emend
        share/zsh/site-functions/_emend share/fish/vendor_completions.d/emend.fish share/man/man1/emend.1 share/man/man1/emend-patch-verify.1)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()
file(GLOB_RECURSE pc ${prefix}/emend_c.pc)
file(READ "${pc}" pc)
expect("${pc}" "-lemend_c")

# The installed program, and that it takes the patch of the C++ program.
run(out ${prefix}/bin/emend generate "Workis Tellond was trained as a" --model ${model} --patch ${SCRATCH}/patch.safetensors --max-new 4)
expect("${out}" "Workis Tellond was trained as a painter")

# A libtorch that is not the one of the build is refused at configure time.
file(MAKE_DIRECTORY ${SCRATCH}/torch/include/ATen ${SCRATCH}/torch/include/torch/headeronly ${SCRATCH}/torch/lib)
file(WRITE ${SCRATCH}/torch/include/ATen/ATen.h "")
file(WRITE ${SCRATCH}/torch/lib/libtorch_cpu.so "")
file(WRITE ${SCRATCH}/torch/include/torch/headeronly/version.h "#define TORCH_VERSION_MAJOR 2\n#define TORCH_VERSION_MINOR 1\n")
execute_process(COMMAND ${CMAKE_COMMAND} -S ${SOURCE}/examples/embed -B ${SCRATCH}/refused -DCMAKE_PREFIX_PATH=${prefix}
                        -DEMEND_LIBTORCH=${SCRATCH}/torch -DCMAKE_CXX_COMPILER=${CXX} -DCMAKE_C_COMPILER=${C}
                RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE err)
string(REGEX REPLACE "[ \n]+" " " err "${err}")
if(code EQUAL 0)
  message(FATAL_ERROR "a libtorch of another version was taken")
endif()
expect("${err}" "is libtorch 2.1: their headers and libraries do not mix")
file(REMOVE_RECURSE ${SCRATCH})
