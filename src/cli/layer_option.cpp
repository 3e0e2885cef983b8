#include "cli/layer_option.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/nearest.h"
#include "base/number_text.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::int64_t kMostLayers = 1'000'000;

LayerChoice layer_named(const std::string& text) {
  if (text == "auto") return {};
  if (text == "depth") return {{}, "--layer depth"};
  const bool negative = text.starts_with("-");
  const auto number = whole_number(negative ? text.substr(1) : text);
  if (!number)
    throw Error(ErrorKind::kUsage, fmt::format("--layer must be auto, depth or a layer number, found {}{}",
                                               quote(text), did_you_mean(text, {"auto", "depth"})));
  if (negative) throw Error(ErrorKind::kUsage, "--layer must be at least 0, found " + text);
  const int layer = static_cast<int>(std::min(*number, kMostLayers));
  return {{layer}, fmt::format("--layer {}", layer)};
}

}  // namespace

void add_layer_option(OptionList& options, std::optional<LayerChoice>& layer, const char* help) {
  options.value("layer", "auto|depth|N", help,
                [&layer](const std::string& text) { layer = layer_named(text); });
}

}  // namespace emend
