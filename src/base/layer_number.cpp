#include "base/layer_number.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

void require_layer(const std::string& where, int layer, int layers) {
  if (layer < 0 || layer >= layers)
    throw Error(ErrorKind::kConfig, fmt::format("{}: there is no layer {}: the model has {} layers, 0 to {}",
                                                where, layer, layers, layers - 1));
}

std::string layer_names(const std::vector<int>& layers) {
  std::vector<std::string> names;
  for (const int layer : layers) names.push_back(std::to_string(layer));
  return (layers.size() == 1 ? "layer " : "layers ") + join(names);
}

std::string text_by_layer(const std::map<int, std::string>& texts) {
  std::vector<std::pair<std::string, std::vector<int>>> said;
  for (const auto& [layer, text] : texts) {
    const std::string& wanted = text;
    const auto known =
        std::find_if(said.begin(), said.end(), [&](const auto& entry) { return entry.first == wanted; });
    if (known == said.end())
      said.push_back({text, {layer}});
    else
      known->second.push_back(layer);
  }
  if (said.size() == 1) return said.front().first;
  std::vector<std::string> parts;
  for (const auto& [text, layers] : said) parts.push_back(layer_names(layers) + ": " + text);
  return join(parts, "; ");
}

}  // namespace emend
