// A list of names that may be long, in a sentence.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace emend {

// "a", "a and b", "a, b and c"; of more than `most` + 1 names the first ones: "a, b, c and 12 more". One name
// more than `most` is told, too, since "1 more" is no shorter. Empty for none.
std::string first_names(const std::vector<std::string>& names, std::size_t most);

}  // namespace emend
