// Characters that Unicode 15, 15.1 and 16 added, and the few that they class in another way than Unicode 14:
// the tables of the libraries here are older than those behind `tokenizers` (Unicode 16).
#pragma once

#include <span>

namespace emend::text {

// A run of such characters. Each has the properties of `twin`, a character that no version since 14 has
// changed: general category, Alphabetic, upper or lower case, and the script, if Unicode 14 has it.
struct NewerCharacters {
  enum class Kind { kAdded, kReclassified };
  char32_t first = 0, last = 0, twin = 0;
  Kind kind = Kind::kAdded;
};

// In order of code points; no two overlap.
std::span<const NewerCharacters> newer_characters();

// The twin of `code_point`, which is `code_point` itself if it is not among the newer characters.
char32_t older_twin(char32_t code_point);

}  // namespace emend::text
