#include "cli/option_values.h"

#include <fmt/format.h>

#include <cmath>
#include <set>
#include <sstream>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::size_t kMostDigits = 6;

[[noreturn]] void refuse(const std::string& option, const std::string& text) {
  throw Error(ErrorKind::kUsage,
              fmt::format("{} must be all, or layer numbers and ranges such as 0,3,5-7; found {}", option,
                          quote(text)));
}

int parse_number(const std::string& digits, const std::string& option, const std::string& text) {
  if (digits.empty() || digits.size() > kMostDigits ||
      digits.find_first_not_of("0123456789") != std::string::npos)
    refuse(option, text);
  return std::stoi(digits);
}

}  // namespace

std::vector<int> parse_layers(const std::string& text, int layers, const std::string& option) {
  std::set<int> chosen;
  std::istringstream parts(text == "all" ? fmt::format("0-{}", layers - 1) : text);
  if (text.empty() || text.back() == ',') refuse(option, text);
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t dash = part.find('-');
    const int first = parse_number(part.substr(0, dash), option, text);
    const int last = dash == std::string::npos ? first : parse_number(part.substr(dash + 1), option, text);
    if (last < first) refuse(option, text);
    require_layer(option, last, layers);
    for (int layer = first; layer <= last; ++layer) chosen.insert(layer);
  }
  return {chosen.begin(), chosen.end()};
}

std::pair<int, int> parse_shard(const std::string& text) {
  if (text.empty()) return {0, 1};
  const auto is_number = [](const std::string& part) {
    return !part.empty() && part.size() <= kMostDigits &&
           part.find_first_not_of("0123456789") == std::string::npos;
  };
  const std::size_t slash = text.find('/');
  if (slash != std::string::npos && is_number(text.substr(0, slash)) && is_number(text.substr(slash + 1))) {
    const int index = std::stoi(text.substr(0, slash)), count = std::stoi(text.substr(slash + 1));
    if (index < count) return {index, count};
  }
  throw Error(ErrorKind::kUsage, "--shard must be i/N with 0 <= i < N, found " + quote(text));
}

std::int64_t parse_bytes(const std::string& option, const std::string& text) {
  std::size_t used = 0;
  double number = -1;
  try {
    number = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  std::string unit = text.substr(used);
  if (unit.ends_with("B")) unit.pop_back();
  const double base = unit.ends_with("i") ? 1024 : 1000;
  if (unit.ends_with("i")) unit.pop_back();
  const std::size_t power = unit.empty() ? 0 : std::string("KMGT").find(unit) + 1;
  const bool known = unit.empty() || (unit.size() == 1 && power > 0);
  const double bytes = number * std::pow(base, static_cast<double>(power));
  if (!known || !(number > 0) || bytes > 1e17)
    throw Error(ErrorKind::kUsage,
                fmt::format("--{} must be a size such as 500M, 4G or 4GiB, found {}", option, quote(text)));
  return static_cast<std::int64_t>(bytes);
}

}  // namespace emend
