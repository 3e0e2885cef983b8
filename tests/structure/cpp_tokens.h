// C++ text as a row of words and signs. Comments and preprocessor lines are left out; what a literal says is
// left out too.
#pragma once

#include <string>
#include <vector>

namespace emend::structure {

struct Token {
  std::string text;  // a word or number, "::", one other sign, or "\"\"" for a string or character literal
  int line = 1;
};

std::vector<Token> cpp_tokens(const std::string& text);

// A letter or an underscore begins it.
bool is_word(const Token& token);

}  // namespace emend::structure
