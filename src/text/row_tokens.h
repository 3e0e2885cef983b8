// How words go on in a row of tokens.
#pragma once

#include <string>

namespace emend {

// Scripts written without spaces between words: kana and CJK ideographs (hangul has spaces).
bool begins_without_space(const std::string& words);

}  // namespace emend
