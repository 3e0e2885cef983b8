// For "unknown X, did you mean Y".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, in bytes, each costing
// 1 (optimal string alignment distance).
std::size_t edit_distance(std::string_view a, std::string_view b);

// The known name nearest to `name` with upper and lower case (ASCII) taken as equal; the first of several.
// Nothing when even that one is too far to be a slip of the finger: further than a third of the longer of the
// two, or than 3.
std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known);

// `; did you mean "Y"?` where there is a near name, else `; known: a, b, c`. Meant to end a message.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

}  // namespace emend
