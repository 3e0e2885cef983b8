// A row of numbers as a row of blocks.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace emend {

// `columns` characters (or one a value, when there are fewer values) from U+2581 to U+2588, each the mean of
// its share of the values, low at `low` and full at `high`; low < high. What is not finite is left out; a
// column of nothing else is blank.
std::string sparkline(const std::vector<double>& values, std::size_t columns, double low, double high);

}  // namespace emend
