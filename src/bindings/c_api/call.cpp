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

PromptForm form_of(const char* given) {
  const std::string form = text_of(given, "raw");
  const auto parsed = parse_prompt_form(form);
  if (!parsed) throw Error(ErrorKind::kUsage, "form must be raw or chat, found \"" + form + '"');
  return *parsed;
}

std::vector<std::string> texts_of(const char* const* texts, std::size_t count, const char* name) {
  if (count > 0) require_given(texts, name);
  std::vector<std::string> copies;
  for (std::size_t i = 0; i < count; ++i) {
    require_given(texts[i], (std::string(name) + "[" + std::to_string(i) + "]").c_str());
    copies.emplace_back(texts[i]);
  }
  return copies;
}

std::vector<int> numbers_of(const std::int32_t* numbers, std::size_t count, const char* name) {
  if (count == 0) return {};
  require_given(numbers, name);
  return {numbers, numbers + count};
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
