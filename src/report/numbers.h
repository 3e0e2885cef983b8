// Numbers as people read them. A number that is not finite reads "-".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace emend {

// "0.973", "0.020", and below a thousandth "3e-05"; 0 and 1 exactly are "0" and "1".
std::string probability_text(double probability);

// With `digits` significant digits, no trailing zeros dropped: 1.2345, 3 -> "1.23"; 12345, 3 -> "12345";
// 0.00012345, 3
// -> "0.000123"; very small and very large ones as 1.23e-07.
std::string number_text(double number, int digits = 3);

// "15,360".
std::string count_text(std::int64_t count);

// A share 0..1 as "97.5 %".
std::string percent_text(double share);

// "-" for std::nullopt.
std::string number_text(const std::optional<double>& number, int digits = 3);

}  // namespace emend
