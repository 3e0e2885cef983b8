#include "cli/layer_list.h"

#include <set>
#include <sstream>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::size_t kMostDigits = 6;

[[noreturn]] void refuse(const std::string& option, const std::string& text) {
  throw Error(ErrorKind::kUsage,
              option + " must be all, or layer numbers and ranges such as 0,3,5-7; found " + quote(text));
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
  std::istringstream parts(text == "all" ? "0-" + std::to_string(layers - 1) : text);
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

}  // namespace emend
