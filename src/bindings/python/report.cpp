#include "bindings/python/report.h"

namespace emend::python {

nb::str to_str(const std::string& text) {
  PyObject* const decoded =
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
  if (decoded == nullptr) throw nb::python_error();
  return nb::steal<nb::str>(decoded);
}

void bind_report(nb::module_& module) {
  nb::class_<Report>(module, "Report")
      .def_prop_ro("json", [](const Report& report) { return to_str(report.json); })
      .def_prop_ro("text", [](const Report& report) { return to_str(report.text); })
      .def_prop_ro("brief", [](const Report& report) { return to_str(report.brief); })
      .def("html", [](const Report& report) -> nb::object {
        if (!report.page) return nb::none();
        return to_str(report.page());
      });
}

}  // namespace emend::python
