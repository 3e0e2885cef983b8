#include "bindings/c_api/call.h"

#include "pipeline/failure.h"

namespace emend::c_api {
namespace {

// A function's text lives until the thread's next call.
thread_local std::string failure_text;

emend_status set_failure(emend_status status, const std::string& message) noexcept {
  try {
    failure_text = message;
  } catch (...) {
    failure_text.clear();
  }
  return status;
}

static_assert(EMEND_INTERNAL == kExitInternal && EMEND_USAGE == kExitUsage &&
              EMEND_BAD_INPUT == kExitBadInput && EMEND_CHECK_FAILED == kExitCheckFailed &&
              EMEND_NUMERIC == kExitNumeric && EMEND_CANCELLED == kExitInterrupted);

}  // namespace

emend_status note_failure() noexcept {
  try {
    throw;
  } catch (const BadHandle& bad) {
    return set_failure(EMEND_BAD_HANDLE, bad.message);
  } catch (...) {
    try {
      const Failure failure = describe_failure(std::current_exception());
      return set_failure(failure.exit_code, failure.message);
    } catch (...) {
      return set_failure(EMEND_INTERNAL, "");
    }
  }
}

emend_status note_status(emend_status status, const std::string& message) {
  return set_failure(status, message);
}

void clear_failure() noexcept {
  failure_text.clear();
}

const char* last_failure() noexcept {
  return failure_text.c_str();
}

void require_given(const void* argument, const char* name) {
  if (argument == nullptr) throw Error(ErrorKind::kUsage, std::string(name) + ": NULL is given");
}

void refuse_options(std::size_t size) {
  throw Error(ErrorKind::kUsage,
              "options: their size is " + std::to_string(size) +
                  ", or fields are set that this emend does not know; begin with the _INIT macro "
                  "of the header that belongs to the library");
}

void give_text(emend_text** out, std::string text) {
  *out = as_handle<emend_text>(
      HandleTable::shared().add(HandleKind::kText, std::make_shared<std::string>(std::move(text))));
}

}  // namespace emend::c_api
