# One helper makes a library of a folder, one adds a test file.

find_program(EMEND_CCACHE ccache)
if(EMEND_CCACHE)
  # The precompiled header of torch needs this sloppiness to be cached at all.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${EMEND_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${EMEND_CCACHE})
endif()

add_library(emend_flags INTERFACE)
target_compile_options(emend_flags INTERFACE -Wall -Wextra -Wshadow -Wno-unknown-pragmas)
# GCC 12 takes copies within std::string for copies out of bounds (its bugs 105329 and 105651).
target_compile_options(emend_flags INTERFACE
  "$<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict;-Wno-array-bounds;-Wno-stringop-overflow>")
target_include_directories(emend_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
# Every folder may format its messages. libtorch brings headers of another fmt, which would be found first: a folder of its own,
# searched before all system folders, shows those of the fmt that is linked.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_include)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/fmt_include/fmt SYMBOLIC)
target_include_directories(emend_flags INTERFACE ${CMAKE_BINARY_DIR}/fmt_include)
target_link_libraries(emend_flags INTERFACE fmt::fmt)
if(EMEND_SANITIZE)
  target_compile_options(emend_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(emend_flags INTERFACE -fsanitize=address,undefined)
endif()
if(EMEND_FUZZ)
  set(sanitizers -fsanitize=address,undefined,fuzzer-no-link)
  target_compile_options(emend_flags INTERFACE ${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(emend_flags INTERFACE ${sanitizers})
endif()

# emend_unity(TARGET APART): with EMEND_UNITY, the sources of TARGET are compiled a dozen at a time, since reading headers is
# most of the work of each. Those in the list APART are compiled one by one: their unnamed namespaces hold names that others of the
# folder hold too, or types of which a class of a header has members (a warning where it is included).
function(emend_unity name apart)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${EMEND_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  set_source_files_properties(${apart} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# emend_library(NAME SOURCES a.cpp ... LINKS other ... [APART b.cpp ...])
function(emend_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS;APART" ${ARGN})
  add_library(emend_${name} STATIC ${ARG_SOURCES})
  emend_unity(emend_${name} "${ARG_APART}")
  set_target_properties(emend_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(emend_${name} PUBLIC emend_flags ${ARG_LINKS})
  set_property(GLOBAL APPEND PROPERTY EMEND_LIBRARIES emend_${name})
endfunction()

# The same for a folder that sees torch: its headers are slow, so they are precompiled once for all such folders.
function(emend_torch_library name)
  emend_library(${name} ${ARGN})
  target_link_libraries(emend_${name} PUBLIC emend_torch)
  if(NOT TARGET emend_torch_header)
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/torch_header.cpp CONTENT "") # written anew only if it is not there
    add_library(emend_torch_header STATIC ${CMAKE_BINARY_DIR}/torch_header.cpp)
    set_target_properties(emend_torch_header PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(emend_torch_header PUBLIC emend_flags emend_torch)
    target_precompile_headers(emend_torch_header PRIVATE <ATen/ATen.h> <map> <memory> <string> <vector>)
    target_compile_options(emend_torch_header PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
  if(NOT EMEND_NO_PRECOMPILED_HEADERS)
    target_precompile_headers(emend_${name} REUSE_FROM emend_torch_header)
    target_compile_options(emend_${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endfunction()

# emend_precompile(TARGET HEADER): TARGET is compiled with the precompiled header of the target HEADER, and with its flags.
function(emend_precompile name header)
  if(NOT EMEND_NO_PRECOMPILED_HEADERS)
    target_precompile_headers(${name} REUSE_FROM ${header})
    target_compile_options(${name} PRIVATE -fPIC $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endif()
endfunction()

# What tests are compiled with: less optimization than what they test, since assertions are many, run once and compile slowly,
# and two precompiled headers, the second one with torch.
function(emend_test_headers)
  add_library(emend_test_flags INTERFACE)
  target_compile_options(emend_test_flags INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:-O1>)
  target_compile_definitions(emend_test_flags INTERFACE EMEND_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
                                                       EMEND_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(emend_test_flags INTERFACE emend_flags GTest::gmock GTest::gtest nlohmann_json::nlohmann_json)
  file(WRITE ${CMAKE_BINARY_DIR}/test_header.cpp "")
  foreach(header emend_test_header emend_torch_test_header)
    add_library(${header} STATIC ${CMAKE_BINARY_DIR}/test_header.cpp)
    set_target_properties(${header} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(${header} PUBLIC emend_test_flags)
    target_compile_options(${header} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
  endforeach()
  set(plain <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp> <filesystem> <fstream> <functional> <map> <string> <vector>)
  target_precompile_headers(emend_test_header PRIVATE ${plain})
  target_link_libraries(emend_torch_test_header PUBLIC emend_torch)
  target_precompile_headers(emend_torch_test_header PRIVATE <ATen/ATen.h> ${plain})
endfunction()

# emend_test_library(NAME SOURCES a.cpp ... LINKS lib ...): what several test programs share is compiled once.
# emend_torch_test_library: the same where it sees torch.
function(emend_test_library name)
  cmake_parse_arguments(ARG "" "HEADER" "SOURCES;LINKS;APART" ${ARGN})
  if(NOT ARG_HEADER)
    set(ARG_HEADER emend_test_header)
  endif()
  add_library(${name} STATIC ${ARG_SOURCES})
  emend_unity(${name} "${ARG_APART}")
  target_link_libraries(${name} PUBLIC ${ARG_LINKS} emend_test_flags)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  emend_precompile(${name} ${ARG_HEADER})
endfunction()
function(emend_torch_test_library name)
  emend_test_library(${name} ${ARGN} HEADER emend_torch_test_header)
  target_link_libraries(${name} PUBLIC emend_torch)
endfunction()

# emend_test(NAME LINKS lib ... [SOURCES a.cpp ...] [APART b.cpp ...] [LABELS l ...] [TIMEOUT seconds]): the sources, and NAME.cpp where the
# current folder has it, are one gtest program. emend_torch_test: the same for a test that sees torch.
function(emend_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;HEADER" "LINKS;LABELS;SOURCES;APART" ${ARGN})
  if(NOT ARG_HEADER)
    set(ARG_HEADER emend_test_header)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${name}.cpp)
    list(PREPEND ARG_SOURCES ${name}.cpp)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  emend_unity(${name} "${ARG_APART}")
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} emend_test_flags GTest::gtest_main)
  emend_precompile(${name} ${ARG_HEADER})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" FIXTURES_REQUIRED source_tree)
endfunction()
function(emend_torch_test name)
  emend_test(${name} ${ARGN} HEADER emend_torch_test_header)
  target_link_libraries(${name} PRIVATE emend_torch)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
endfunction()
