#include "base/number_text.h"

#include <cmath>
#include <string>

namespace emend {

std::optional<std::int64_t> whole_number(std::string_view text, std::size_t most_digits) {
  if (text.empty() || text.size() > most_digits ||
      text.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  return std::stoll(std::string(text));
}

std::optional<std::int64_t> byte_count(std::string_view text) {
  std::size_t used = 0;
  double number = -1;
  try {
    number = std::stod(std::string(text), &used);
  } catch (const std::exception&) {
  }
  std::string unit(text.substr(used));
  if (unit.ends_with("B")) unit.pop_back();
  const double base = unit.ends_with("i") ? 1024 : 1000;
  if (unit.ends_with("i")) unit.pop_back();
  const std::size_t power = unit.empty() ? 0 : std::string("KMGT").find(unit) + 1;
  const bool known = unit.empty() || (unit.size() == 1 && power > 0);
  const double bytes = number * std::pow(base, static_cast<double>(power));
  if (!known || !(number > 0) || bytes > 1e17) return std::nullopt;
  return static_cast<std::int64_t>(bytes);
}

}  // namespace emend
