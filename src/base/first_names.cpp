#include "base/first_names.h"

#include "base/strings.h"

namespace emend {

std::string first_names(const std::vector<std::string>& names, std::size_t most) {
  if (names.empty()) return "";
  if (names.size() == 1) return names.front();
  const std::size_t told = names.size() > most + 1 ? most : names.size() - 1;
  const std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(told));
  const std::string rest =
      told + 1 == names.size() ? names.back() : std::to_string(names.size() - told) + " more";
  return join(first) + " and " + rest;
}

}  // namespace emend
