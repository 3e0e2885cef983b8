# What `cmake --install` puts down: the program, two shared libraries, the public headers, and a CMake package with the targets
# emend::emend (C++) and emend::c (C). docs/embedding.md tells how to use them.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# All folders of the library in one file; of its symbols it shows those of namespace emend.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/emend_shared.cpp CONTENT "")  # left alone when it is there
add_library(emend_shared SHARED ${CMAKE_BINARY_DIR}/emend_shared.cpp)
add_library(emend::emend ALIAS emend_shared)
target_link_libraries(emend_shared
  PRIVATE -Wl,--whole-archive ${EMEND_LIBRARY_PARTS} -Wl,--no-whole-archive
  INTERFACE $<BUILD_INTERFACE:emend_torch> $<INSTALL_INTERFACE:emend::torch>)
target_include_directories(emend_shared INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                                  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(emend_shared INTERFACE cxx_std_20)
set(exports ${CMAKE_CURRENT_LIST_DIR}/emend_exports.map)
target_link_options(emend_shared PRIVATE -Wl,--version-script=${exports})
set_target_properties(emend_shared PROPERTIES OUTPUT_NAME emend EXPORT_NAME emend LINK_DEPENDS ${exports}
                                              VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

add_library(emend::c ALIAS emend_c)
set_target_properties(emend_c PROPERTIES EXPORT_NAME c)
target_include_directories(emend_c INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                             $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# The libtorch of the build is found wherever the files are moved to.
set_target_properties(emend emend_shared emend_c PROPERTIES INSTALL_RPATH "${EMEND_TORCH_ROOT}/lib")
install(TARGETS emend RUNTIME)
install(TARGETS emend_shared emend_c EXPORT emend-targets LIBRARY)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/emend TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/emend)
install(EXPORT emend-targets NAMESPACE emend:: DESTINATION ${package})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/emend-config.cmake.in ${CMAKE_BINARY_DIR}/emend-config.cmake
                              INSTALL_DESTINATION ${package})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/emend-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/emend-config.cmake ${CMAKE_BINARY_DIR}/emend-config-version.cmake
              ${CMAKE_CURRENT_LIST_DIR}/Libtorch.cmake DESTINATION ${package})

# What is to be read, and for C programs that ask pkg-config. The prefix follows from the file's own place, as the folder can be moved.
file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" up "${up}")
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/emend_c.pc @ONLY CONTENT "prefix=\${pcfiledir}/@up@
libdir=\${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=\${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: emend_c
Description: Edits facts of transformer language models, C interface
Version: @PROJECT_VERSION@
Libs: -L\${libdir} -lemend_c
Cflags: -I\${includedir}
")
install(FILES ${CMAKE_BINARY_DIR}/emend_c.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs ${PROJECT_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
# The wordings of forms, which the program holds, too: an example for files of one's own.
install(FILES ${PROJECT_SOURCE_DIR}/eval/forms.yaml DESTINATION ${CMAKE_INSTALL_DATADIR}/emend)

# Completion for shells and manual pages, written by the program from its own options.
set(share "\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}")
foreach(entry bash=bash-completion/completions/emend zsh=zsh/site-functions/_emend fish=fish/vendor_completions.d/emend.fish)
  string(REPLACE "=" ";" entry ${entry})
  list(GET entry 0 shell)
  list(GET entry 1 file)
  cmake_path(GET file PARENT_PATH folder)
  install(CODE "file(MAKE_DIRECTORY \"${share}/${folder}\")
message(STATUS \"Installing: ${share}/${file}\")
execute_process(COMMAND \"$<TARGET_FILE:emend>\" completion ${shell} OUTPUT_FILE \"${share}/${file}\" COMMAND_ERROR_IS_FATAL ANY)")
endforeach()
install(CODE "message(STATUS \"Installing: ${share}/man/man1\")
execute_process(COMMAND \"$<TARGET_FILE:emend>\" completion man --out \"${share}/man/man1\" COMMAND_ERROR_IS_FATAL ANY)")
