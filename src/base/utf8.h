// UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace emend {

// Length in bytes (1 to 4) of the character that begins at `text[at]`, or 0 where no character does.
std::size_t utf8_length(std::string_view text, std::size_t at);

// The byte offset of the first character of `text` that is not valid UTF-8; std::nullopt if all of it is
// valid.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// The text with U+FFFD in place of each byte that belongs to no valid character.
std::string replace_invalid_utf8(std::string_view text);

// Whether `part` is not in `text` as it is written, but is if both are brought to one normal form (NFC): a
// letter with its mark may be one character or two, and both look alike.
bool contains_in_other_form(std::string_view text, std::string_view part);

// What a message has to add if a subject is in its prompt in another form or case, or mistyped; else empty.
std::string other_form_hint(std::string_view prompt, std::string_view subject);

}  // namespace emend
