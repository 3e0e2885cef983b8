# A wheel is built for the torch of the Python that builds it (src/bindings/python/wheel/installed_torch.py), not for that of
# the project's .venv.
if(NOT EMEND_LIBTORCH)
  find_package(Python 3.10 REQUIRED COMPONENTS Interpreter)
  execute_process(COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/src/bindings/python/wheel/installed_torch.py
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  set(EMEND_LIBTORCH ${found} CACHE PATH "A torch package folder or an unpacked libtorch" FORCE)
endif()
