// The words of `protect`.
#include <array>

#include "emend/records.h"

namespace emend {
namespace {

constexpr std::array kProtect = {Protect::kNone, Protect::kNeighbours, Protect::kAuto};

}  // namespace

std::string_view to_string(Protect protect) {
  switch (protect) {
    case Protect::kNone:
      return "none";
    case Protect::kNeighbours:
      return "neighbours";
    case Protect::kAuto:
      return "auto";
  }
  return "";
}

std::optional<Protect> parse_protect(std::string_view text) {
  for (const Protect protect : kProtect)
    if (text == to_string(protect)) return protect;
  return std::nullopt;
}

}  // namespace emend
