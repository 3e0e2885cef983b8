# What a wheel holds (install component "python"): the package with its extension, libemend.so, the program, and the system's
# libraries that these need and that a machine without compilers may lack. torch is not among them: the wheel depends on it.
set(torch_beside "$ORIGIN/../../torch/lib")  # seen from emend/lib and emend/bin, where torch lies in the same site-packages
set_target_properties(emend_python PROPERTIES INSTALL_RPATH "$ORIGIN/lib:$ORIGIN/../torch/lib")
# One name: a wheel holds no links, so that a second one would be a second copy.
set_target_properties(emend_shared PROPERTIES INSTALL_RPATH "$ORIGIN:${torch_beside}"
                                              VERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set_target_properties(emend PROPERTIES INSTALL_RPATH "$ORIGIN/../lib:${torch_beside}")

install(TARGETS emend_python LIBRARY DESTINATION emend COMPONENT python)
install(TARGETS emend_shared LIBRARY DESTINATION emend/lib COMPONENT python NAMELINK_SKIP)
install(TARGETS emend RUNTIME DESTINATION emend/bin COMPONENT python)
install(FILES ${package_files} ${package}/_build.py DESTINATION emend COMPONENT python)
install(FILES emend_program.py DESTINATION . COMPONENT python)

# The system's libraries, each under the name by which it is asked for. Left out: what the system
# always has (the C and C++ runtimes), and torch's.
install(CODE [[
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES "$<TARGET_FILE:emend>" LIBRARIES "$<TARGET_FILE:emend_shared>"
       RESOLVED_DEPENDENCIES_VAR found
       PRE_EXCLUDE_REGEXES "^lib(torch|c10|gomp|shm|emend|stdc\\+\\+|gcc_s|c|m|dl|rt|pthread)[._-]" "^ld-linux")
  foreach(library ${found})
    get_filename_component(name "${library}" NAME)
    file(REAL_PATH "${library}" library)
    message(STATUS "Installing: ${CMAKE_INSTALL_PREFIX}/emend/lib/${name}")
    file(COPY_FILE "${library}" "${CMAKE_INSTALL_PREFIX}/emend/lib/${name}")
  endforeach()
]] COMPONENT python)
