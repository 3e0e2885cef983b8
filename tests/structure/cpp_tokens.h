// C++ text as a row of words and signs, and what its string literals say. Comments and preprocessor lines are
// left out.
#pragma once

#include <string>
#include <vector>

namespace emend::structure {

struct Token {
  std::string text;  // a word or number, "::", one other sign, or "\"\"" for a string or character literal
  int line = 1;
  bool is_string = false;  // a string literal
  std::string literal;     // what it says, as it is written: escapes stay
};

std::vector<Token> cpp_tokens(const std::string& text);

// The string literals alone; those that the compiler joins are one.
std::vector<Token> string_literals(const std::string& text);

// A letter or an underscore begins it.
bool is_word(const Token& token);

}  // namespace emend::structure
