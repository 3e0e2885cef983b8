// Exceptions: emend::Error of each kind is an exception class of the Python file errors.py.
#include <exception>
#include <string>

#include "bindings/python/bind.h"
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

void raise(const char* name, const std::string& message) {
  const nb::object type = nb::module_::import_("emend.errors").attr(name);
  PyErr_SetString(type.ptr(), message.c_str());
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
