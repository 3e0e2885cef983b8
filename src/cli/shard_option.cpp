#include "cli/shard_option.h"

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

std::pair<int, int> parse_shard(const std::string& text) {
  if (text.empty()) return {0, 1};
  constexpr std::size_t kMostDigits = 6;
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

}  // namespace emend
