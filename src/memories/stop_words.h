// Words that carry no topic of their own.
#pragma once

#include <string>
#include <string_view>

namespace emend {

// Is this, in lower case and without spaces around it, an English function word, or no word at all (digits
// and punctuation alone)? Words of other languages never are.
bool is_stop_word(std::string_view word);

// Lower case of ASCII letters, without the spaces around the text.
std::string folded_word(std::string_view text);

}  // namespace emend
