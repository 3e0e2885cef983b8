#include "base/trim.h"

namespace emend {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

}  // namespace

std::string_view trim_back(std::string_view text) {
  const std::size_t last = text.find_last_not_of(kBlank);
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

std::string_view trim(std::string_view text) {
  const std::string_view rest = trim_back(text);
  return rest.empty() ? rest : rest.substr(rest.find_first_not_of(kBlank));
}

}  // namespace emend
