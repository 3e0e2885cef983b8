// Facts that want different things of one key, told before any search.
#pragma once

#include <string>
#include <vector>

#include "emend/editor.h"
#include "emend/records.h"

namespace emend {

// Prompts that are the same up to the end of their subject have one key, and one residual for all their
// facts: two relations of a subject go together, two prompts that ask alike for different targets do not. One
// text for each such key, which begins with "edit ID: "; of more than 20 the others are counted in one.
std::vector<std::string> shared_key_notes(const std::vector<EditRequest>& requests);

// The same for requests of this method; none for a method that writes no value at each key but trains.
std::vector<std::string> shared_key_notes(const Editor& editor, const std::vector<EditRequest>& requests);

}  // namespace emend
