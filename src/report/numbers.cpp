#include "report/numbers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace emend {
namespace {

constexpr const char* kNothing = "-";

template <typename... Values>
std::string format(const char* pattern, Values... values) {
  std::array<char, 400> buffer{};
  std::snprintf(buffer.data(), buffer.size(), pattern, values...);
  return buffer.data();
}

}  // namespace

std::string probability_text(double probability) {
  if (!std::isfinite(probability)) return kNothing;
  if (probability == 0 || probability == 1) return format("%.0f", probability);
  if (probability < 0.001) return format("%.0e", probability);
  return format("%.3f", probability);
}

std::string number_text(double number, int digits) {
  if (!std::isfinite(number)) return kNothing;
  if (number == 0) return "0";
  // The exponent after rounding: 9.996 with three digits is 10.0.
  const std::string rounded = format("%.*e", digits - 1, number);
  const int exponent = std::stoi(rounded.substr(rounded.find('e') + 1));
  if (exponent < -4 || exponent > 8) return rounded;
  return format("%.*f", std::max(0, digits - 1 - exponent), number);
}

std::string number_text(const std::optional<double>& number, int digits) {
  return number ? number_text(*number, digits) : kNothing;
}

std::string count_text(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::ptrdiff_t first = count < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > first; at -= 3)
    text.insert(static_cast<std::size_t>(at), 1, ',');
  return text;
}

std::string percent_text(double share) {
  return std::isfinite(share) ? format("%.1f %%", 100 * share) : kNothing;
}

}  // namespace emend
