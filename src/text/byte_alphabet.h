// The 256 characters in which byte-level BPE files spell bytes: printable ones stand for themselves, the rest
// are U+0100 and up, so that a space is U+0120 and a newline U+010A (openai/gpt-2: encoder.py,
// bytes_to_unicode).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace emend::text {

// "Ġthe" to " the"; std::nullopt if a character is outside the alphabet.
std::optional<std::string> bytes_of_spelling(std::string_view spelling);

// " the" to "Ġthe".
std::string spelling_of_bytes(std::string_view bytes);

}  // namespace emend::text
