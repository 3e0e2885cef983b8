# A wheel is built for the torch of the Python that builds it (src/bindings/python/wheel/installed_torch.py), not for that of
# the project's .venv. Asked for at every configuration: the build folder may have served another Python before.
if(NOT EMEND_LIBTORCH)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/src/bindings/python/wheel/installed_torch.py
                  OUTPUT_VARIABLE EMEND_LIBTORCH OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
endif()
