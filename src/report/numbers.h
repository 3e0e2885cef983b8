// Numbers as people read them. A number that is not finite reads "-".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// "0.973", "0.020", and below a thousandth "3e-05"; 0 and 1 exactly are "0" and "1".
std::string probability_text(double probability);

// With `digits` significant digits, no trailing zeros dropped: 1.2345, 3 -> "1.23"; 12345, 3 -> "12345";
// 0.00012345, 3
// -> "0.000123"; very small and very large ones as 1.23e-07.
std::string number_text(double number, int digits = 3);

// Numbers that are read beside each other: as number_text, with at least `digits` digits and as many more as
// tell those apart that differ. 1, 1.00004, 4 -> "1.00000", "1.00004".
std::vector<std::string> numbers_apart(const std::vector<double>& numbers, int digits = 4);

// "15,360".
std::string count_text(std::int64_t count);

// 1, "edit" -> "1 edit"; 3, "edit" -> "3 edits".
std::string counted(std::int64_t count, std::string_view what);

// A share 0..1 as "97.5 %".
std::string percent_text(double share);

// "-" for std::nullopt.
std::string number_text(const std::optional<double>& number, int digits = 3);

// A row of numbers as a row of blocks: `columns` characters (or one a value, if there are fewer values) from
// U+2581 to U+2588, each the mean of its share of the values, low at `low` and full at `high`.
// What is not finite is left out; a column of nothing else is blank.
std::string sparkline(const std::vector<double>& values, std::size_t columns, double low, double high);

}  // namespace emend
