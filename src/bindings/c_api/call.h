// What every function of the C interface goes through: exceptions become a status and a text.
#pragma once

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "bindings/c_api/handles.h"
#include "emend/c_api.h"
#include "emend/error.h"
#include "emend/records.h"

namespace emend::c_api {

// Sets the calling thread's last error from the exception that is being handled; its status.
emend_status note_failure() noexcept;
void clear_failure() noexcept;
// For results that are a failure and a value at once.
emend_status note_status(emend_status status, const std::string& message);
const char* last_failure() noexcept;

// `work` returns a status, or throws what the library throws.
template <typename Work>
emend_status guarded(Work work) noexcept {
  try {
    clear_failure();
    const emend_status status = work();
    if (status == EMEND_OK) clear_failure();  // of calls that a progress callback made
    return status;
  } catch (...) {
    return note_failure();
  }
}

// Throws Error(kUsage) naming the argument.
void require_given(const void* argument, const char* name);
inline std::string text_of(const char* text, const char* fallback) {
  return text == nullptr ? fallback : text;
}

// "raw" or "chat"; nullptr: raw. Throws Error(kUsage).
PromptForm form_of(const char* form);
// The elements of an array; `name` is what messages call it. Throws Error(kUsage) for NULL in or instead of
// it.
std::vector<std::string> texts_of(const char* const* texts, std::size_t count, const char* name);
std::vector<int> numbers_of(const std::int32_t* numbers, std::size_t count, const char* name);

void refuse_options(std::size_t size);

// What the caller gave, over the defaults. Fields that this library does not know must be zero. `oldest` is
// the size of the struct before fields were added to it: a program that was built with any layout since then
// leaves the fields behind it at their defaults. No field crosses a multiple of the alignment, and the size
// of every layout is one, so that whole fields are taken.
template <typename Options>
Options options_of(const Options* given, Options values, std::size_t oldest = sizeof(Options)) {
  if (given == nullptr) return values;
  constexpr std::size_t kMost = 4096;
  const std::size_t size = given->size;
  if (size < oldest || size > kMost) refuse_options(size);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(given);
  if (size > sizeof(Options) &&
      std::any_of(bytes + sizeof(Options), bytes + size, [](unsigned char byte) { return byte != 0; }))
    refuse_options(size);
  const std::size_t known = std::min(size, sizeof(Options));
  std::memcpy(&values, given, known - known % alignof(Options));
  return values;
}

// A new text handle in *out.
void give_text(emend_text** out, std::string text);

}  // namespace emend::c_api
