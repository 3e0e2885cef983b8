// The extension module emend._core. It only translates: arguments to the library's options, outcomes to
// reports, tensors to tensors of the same memory. The Python files of the package are the interface.
#include "bindings/python/bind.h"

NB_MODULE(_core, module) {
  using namespace emend::python;
  // Python ends without collecting what global variables hold: no leak, and nothing for a user to read.
  nanobind::set_leak_warnings(false);
  bind_errors(module);
  bind_report(module);
  bind_patch(module);
  bind_model(module);
  bind_memory_calls(module);
}
