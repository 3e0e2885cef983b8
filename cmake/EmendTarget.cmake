# One helper makes a library of a folder, one adds a test file.

find_program(EMEND_CCACHE ccache)
if(EMEND_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${EMEND_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${EMEND_CCACHE})
endif()

add_library(emend_flags INTERFACE)
target_compile_options(emend_flags INTERFACE -Wall -Wextra -Wshadow -Wno-unknown-pragmas)
target_include_directories(emend_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR})
if(EMEND_SANITIZE)
  target_compile_options(emend_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(emend_flags INTERFACE -fsanitize=address,undefined)
endif()

# emend_library(NAME SOURCES a.cpp ... LINKS other ...)
function(emend_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
  add_library(emend_${name} STATIC ${ARG_SOURCES})
  set_target_properties(emend_${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  target_link_libraries(emend_${name} PUBLIC emend_flags ${ARG_LINKS})
endfunction()

# emend_test(NAME LINKS lib ... [LABELS l ...] [TIMEOUT seconds]): NAME.cpp in the current folder is one gtest program.
function(emend_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LINKS;LABELS;SOURCES" ${ARGN})
  add_executable(${name} ${name}.cpp ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINKS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE EMEND_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data"
                                             EMEND_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
