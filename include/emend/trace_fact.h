// A fact that is to be located in a model, as plain data.
#pragma once

#include <cstddef>
#include <string>

namespace emend {

struct TraceFact {
  std::string id;
  std::string prompt, subject;
  std::size_t subject_begin = 0;  // byte offset of the subject in the prompt
  std::string answer;             // expected, without a leading space; empty: the model's greedy next token
};

}  // namespace emend
