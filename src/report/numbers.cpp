#include "report/numbers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

namespace emend {
namespace {

constexpr const char* kNothing = "-";

}  // namespace

std::string probability_text(double probability) {
  if (!std::isfinite(probability)) return kNothing;
  if (probability == 0 || probability == 1) return fmt::format("{:.0f}", probability);
  if (probability < 0.001) return fmt::format("{:.0e}", probability);
  return fmt::format("{:.3f}", probability);
}

std::string number_text(double number, int digits) {
  if (!std::isfinite(number)) return kNothing;
  if (number == 0) return "0";
  // The exponent after rounding: 9.996 with three digits is 10.0.
  const std::string rounded = fmt::format("{:.{}e}", number, digits - 1);
  const int exponent = std::stoi(rounded.substr(rounded.find('e') + 1));
  if (exponent < -4 || exponent > 8) return rounded;
  return fmt::format("{:.{}f}", number, std::max(0, digits - 1 - exponent));
}

std::string number_text(const std::optional<double>& number, int digits) {
  return number ? number_text(*number, digits) : kNothing;
}

std::vector<std::string> numbers_apart(const std::vector<double>& numbers, int digits) {
  constexpr int kAllDigits = std::numeric_limits<double>::max_digits10;
  const std::set<double> different = [&] {
    std::set<double> finite;
    for (const double number : numbers)
      if (std::isfinite(number)) finite.insert(number);
    return finite;
  }();
  const auto told = [&different](int of) {
    std::set<std::string> texts;
    for (const double number : different) texts.insert(number_text(number, of));
    return texts.size() == different.size();
  };
  while (digits < kAllDigits && !told(digits)) ++digits;
  std::vector<std::string> texts;
  for (const double number : numbers) texts.push_back(number_text(number, digits));
  return texts;
}

std::string count_text(std::int64_t count) {
  std::string text = fmt::format("{}", count);
  const std::ptrdiff_t first = count < 0 ? 1 : 0;
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > first; at -= 3)
    text.insert(static_cast<std::size_t>(at), 1, ',');
  return text;
}

std::string counted(std::int64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count_text(count), what, count == 1 ? "" : "s");
}

std::string percent_text(double share) {
  return std::isfinite(share) ? fmt::format("{:.1f} %", 100 * share) : kNothing;
}

std::string sparkline(const std::vector<double>& values, std::size_t columns, double low, double high) {
  static constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  columns = std::min(columns, values.size());
  std::string line;
  for (std::size_t column = 0; column < columns; ++column) {
    const std::size_t begin = column * values.size() / columns, end = (column + 1) * values.size() / columns;
    double sum = 0;
    int count = 0;
    for (std::size_t i = begin; i < end; ++i)
      if (std::isfinite(values[i])) {
        sum += values[i];
        ++count;
      }
    if (count == 0) {
      line += " ";
      continue;
    }
    const double height = (sum / count - low) / (high - low) * static_cast<double>(kBlocks.size());
    const double shown = std::isnan(height) ? 0 : std::clamp(height, 0.0, kBlocks.size() - 1.0);
    line += kBlocks[static_cast<std::size_t>(shown)];
  }
  return line;
}

}  // namespace emend
