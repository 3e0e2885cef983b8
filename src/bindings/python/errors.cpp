// Exceptions: emend::Error of each kind is an exception class of the Python file errors.py.
#include <exception>
#include <string>

#include "bindings/python/report.h"
#include "emend/error.h"
#include "pipeline/failure.h"

namespace emend::python {
namespace {

const char* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "UsageError";
    case ErrorKind::kConfig:
      return "ConfigError";
    case ErrorKind::kFormat:
      return "FormatError";
    case ErrorKind::kModel:
      return "ModelError";
    case ErrorKind::kIo:
      return "IoError";
    case ErrorKind::kNumeric:
      return "NumericError";
    case ErrorKind::kInterrupted:
      return "Interrupted";
  }
  return "InternalError";
}

// Options are named as the call spells them: "the option false_alarms".
void raise(const char* name, const std::string& message) {
  const nb::object type = nb::module_::import_("emend.errors").attr(name);
  const nb::object text = nb::module_::import_("emend._keywords").attr("with_keywords")(to_str(message));
  PyErr_SetObject(type.ptr(), text.ptr());
}

void translate(const std::exception_ptr& error, void*) {
  try {
    std::rethrow_exception(error);
  } catch (const nb::python_error&) {
    throw;  // a Python exception on its way through the library
  } catch (const nb::builtin_exception&) {
    throw;
  } catch (const Error& failure) {
    raise(class_of(failure.kind()), failure.what());
  } catch (...) {
    const Failure failure = describe_failure(std::current_exception());
    raise(failure.exit_code == kExitBadInput ? "IoError" : "InternalError", failure.message);
  }
}

}  // namespace

void bind_errors(nb::module_&) {
  nb::register_exception_translator(translate);
}

}  // namespace emend::python
