#include "config/method_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/files.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "config/config_node.h"
#include "config/edit_entry.h"
#include "emend/records.h"

namespace emend {
namespace {

constexpr const char* kLayerForms = "auto, depth, a layer number or a list of layer numbers";

int read_layer_number(const ConfigNode& node) {
  const int layer = node.integer(kLayerForms);
  if (layer < 0) node.fail(fmt::format("layers count from 0, found {}", layer));
  return layer;
}

}  // namespace

LayerChoice read_layer_choice(const ConfigNode& node) {
  if (node.is_scalar() && node.text() == "auto") return {};
  const std::string where = node.where() + ": layer";
  if (node.is_scalar() && node.text() == "depth") return {{}, where};
  if (!node.is_list()) return {{read_layer_number(node)}, where};
  LayerChoice choice{{}, where};
  for (const ConfigNode& item : node.items()) {
    const int layer = read_layer_number(item);
    if (std::ranges::find(choice.layers, layer) != choice.layers.end()) {
      item.fail(fmt::format("layer {} is in the list twice", layer));
    }
    choice.layers.push_back(layer);
  }
  if (choice.layers.empty()) node.fail("the list of layers is empty");
  return choice;
}

Protect read_protect(const ConfigNode& node) {
  const std::string word = node.text();
  if (const auto protect = parse_protect(word)) return *protect;
  node.fail(fmt::format("expected none, neighbours or auto, found {}{}", node.describe(),
                        did_you_mean(word, {"none", "neighbours", "auto"})));
}

TargetEnd read_target_end(const ConfigNode& node) {
  const std::string word = node.text();
  if (const auto end = parse_target_end(word)) return *end;
  node.fail(fmt::format("expected auto, eos or none, found {}{}", node.describe(),
                        did_you_mean(word, {"auto", "eos", "none"})));
}

std::map<std::string, OptionText> read_option_texts(const ConfigNode& node) {
  std::map<std::string, OptionText> options;
  for (const auto& [name, key, value] : node.entries()) options[name] = {value.text(), value.where()};
  return options;
}

std::filesystem::path read_path(const ConfigNode& node, const std::filesystem::path& folder) {
  const std::string word = read_word(node);
  if (word.starts_with("~/"))
    node.fail("~ is not expanded here; write the whole path instead of " + quote(word));
  return (folder / word).lexically_normal();
}

MethodFile read_method_file(const std::filesystem::path& file) {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  ConfigDocument document(read_text_file(file, kMaxBytes), file.string());
  const ConfigFields fields =
      document.root().fields({"label", "method", "layer", "statistics", "options", "protect", "end"});
  MethodFile method;
  method.label = file.stem().string();
  if (const auto value = fields.find("label")) method.label = read_word(*value);
  if (const auto value = fields.find("method")) {
    method.method = read_word(*value);
    method.method_where = value->where() + ": method";
  }
  if (const auto value = fields.find("layer")) method.layer = read_layer_choice(*value);
  if (const auto value = fields.find("statistics")) method.statistics = read_path(*value, file.parent_path());
  if (const auto value = fields.find("options")) method.options = read_option_texts(*value);
  if (const auto value = fields.find("protect")) method.protect = read_protect(*value);
  if (const auto value = fields.find("end")) method.end = read_target_end(*value);
  return method;
}

}  // namespace emend
