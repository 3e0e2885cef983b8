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

// The known name nearest to `name` (ASCII case is ignored); the first if several are equally near. Returns
// std::nullopt if the distance is more than 3 or more than a third of the longer name: too much for a typing
// error.
std::optional<std::string> nearest_name(std::string_view name, const std::vector<std::string>& known);

// `; did you mean "Y"?` if there is a near name, else `; known: a, b, c`. For the end of a message.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& known);

}  // namespace emend
