#include "console/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "base/number_text.h"
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
  const auto number = whole_number(digits, kMostDigits);
  if (!number) refuse(option, text);
  return static_cast<int>(*number);
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

std::pair<std::int64_t, std::int64_t> parse_range(const std::string& text) {
  if (text.empty()) return {0, -1};
  const std::size_t colon = text.find(':');
  const std::string first = text.substr(0, colon), last = text.substr(std::min(colon, text.size() - 1) + 1);
  const auto begin = first.empty() ? 0 : whole_number(first), end = last.empty() ? -1 : whole_number(last);
  if (colon == std::string::npos || !begin || !end || (!last.empty() && *begin >= *end))
    throw Error(ErrorKind::kUsage, "--records must be A:B with 0 <= A < B, found " + quote(text));
  return {*begin, *end};
}

std::pair<int, int> parse_shard(const std::string& text) {
  if (text.empty()) return {0, 1};
  const std::size_t slash = std::min(text.find('/'), text.size() - 1);
  const auto index = whole_number(text.substr(0, slash), kMostDigits),
             count = whole_number(text.substr(slash + 1), kMostDigits);
  if (!index || !count || *index >= *count)
    throw Error(ErrorKind::kUsage, "--shard must be i/N with 0 <= i < N, found " + quote(text));
  return {static_cast<int>(*index), static_cast<int>(*count)};
}

std::int64_t parse_bytes(const std::string& option, const std::string& text) {
  if (const auto bytes = byte_count(text)) return *bytes;
  throw Error(ErrorKind::kUsage,
              fmt::format("--{} must be a size such as 500M, 4G or 4GiB, found {}", option, quote(text)));
}

}  // namespace emend
