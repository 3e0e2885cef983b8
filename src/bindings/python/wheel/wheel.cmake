# What a wheel holds (install component "python"): the package with its extension, libemend.so, the program, and the system's
# libraries that these need but that a machine without compilers may lack. torch is not among them: the wheel depends on it.
set(torch_beside "$ORIGIN/../../torch/lib")  # seen from emend/lib and emend/bin, where torch lies in the same site-packages
set_target_properties(emend_python PROPERTIES INSTALL_RPATH "$ORIGIN/lib:$ORIGIN/../torch/lib")
set_target_properties(emend_shared PROPERTIES INSTALL_RPATH "$ORIGIN:${torch_beside}")
set_target_properties(emend PROPERTIES INSTALL_RPATH "$ORIGIN/../lib:${torch_beside}")

install(TARGETS emend_python LIBRARY DESTINATION emend COMPONENT python)
install(TARGETS emend_shared RUNTIME_DEPENDENCY_SET emend_needs LIBRARY DESTINATION emend/lib COMPONENT python NAMELINK_SKIP)
install(TARGETS emend RUNTIME_DEPENDENCY_SET emend_needs RUNTIME DESTINATION emend/bin COMPONENT python)
# Left to the system: the C and C++ runtimes.
install(RUNTIME_DEPENDENCY_SET emend_needs DESTINATION emend/lib COMPONENT python
        PRE_EXCLUDE_REGEXES "^lib(torch|c10|gomp|shm|emend|stdc\\+\\+|gcc_s|c|m|dl|rt|pthread)[._-]" "^ld-linux"
        DIRECTORIES ${EMEND_TORCH_ROOT}/lib)

install(FILES ${package_files} ${package}/_build.py DESTINATION emend COMPONENT python)
install(FILES emend_program.py DESTINATION . COMPONENT python)
