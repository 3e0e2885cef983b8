#include "delivery/patch_tensors.h"

#include <charconv>
#include <stdexcept>
#include <string_view>

namespace emend::patch_tensors {
namespace {

constexpr std::string_view kFront = "model.layers.", kExperts = ".experts.", kEnd = ".mlp_down";

// Takes `text` off the front of `rest`; false: it does not begin so.
bool take(std::string_view& rest, std::string_view text) {
  if (!rest.starts_with(text)) return false;
  rest.remove_prefix(text.size());
  return true;
}

bool take_number(std::string_view& rest, int& number) {
  const auto [end, status] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (status != std::errc() || number < 0) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return true;
}

}  // namespace

std::string weight(const WeightRef& weight) {
  const std::string expert = weight.expert < 0 ? "" : std::string(kExperts) + std::to_string(weight.expert);
  return std::string(kFront) + std::to_string(weight.block) + expert + std::string(kEnd);
}

WeightRef parse_weight(const std::string& name) {
  WeightRef found;
  std::string_view rest = name;
  bool good = take(rest, kFront) && take_number(rest, found.block);
  if (good && take(rest, kExperts)) good = take_number(rest, found.expert);
  // Only the one spelling: no leading zeros, for example.
  if (!good || rest != kEnd || weight(found) != name) throw std::invalid_argument("not the name of a weight");
  return found;
}

}  // namespace emend::patch_tensors
