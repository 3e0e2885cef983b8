// What every fuzz target is: one reader, given bytes that anybody may have made.
#pragma once

#include <string_view>

namespace emend::fuzz {

// Reads `input` as far as the program would. Error is the reader's "no" and no finding; any other exception,
// a crash, a failed abort_unless, a sanitizer's report or a read without end is.
void read_input(std::string_view input);

// Ends the process with the text when a property does not hold.
void abort_unless(bool holds, const char* property);

// read_input with Error taken for an answer. True: the reader took the input.
bool try_input(std::string_view input);

}  // namespace emend::fuzz
