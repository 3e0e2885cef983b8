// The words of `end`.
#include <array>

#include "emend/records.h"

namespace emend {
namespace {

constexpr std::array kTargetEnds = {TargetEnd::kNone, TargetEnd::kEos, TargetEnd::kAuto};

}  // namespace

std::string_view to_string(TargetEnd end) {
  switch (end) {
    case TargetEnd::kNone:
      return "none";
    case TargetEnd::kEos:
      return "eos";
    case TargetEnd::kAuto:
      return "auto";
  }
  return "";
}

std::optional<TargetEnd> parse_target_end(std::string_view text) {
  for (const TargetEnd end : kTargetEnds)
    if (text == to_string(end)) return end;
  return std::nullopt;
}

}  // namespace emend
