#include "base/files.h"
#include "config/config_node.h"
#include "config/edit_entry.h"
#include "config/method_fields.h"
#include "emend/records.h"

namespace emend {

MethodFile read_method_file(const std::filesystem::path& file) {
  constexpr std::uint64_t kMaxBytes = 1 << 20;
  ConfigDocument document(read_text_file(file, kMaxBytes), file.string());
  const ConfigFields fields = document.root().fields({"label", "method", "layer", "statistics", "options"});
  MethodFile method;
  method.label = file.stem().string();
  if (const auto value = fields.find("label")) method.label = read_word(*value);
  if (const auto value = fields.find("method")) method.method = read_word(*value);
  if (const auto value = fields.find("layer")) method.layer = read_layer_choice(*value);
  if (const auto value = fields.find("statistics")) method.statistics = read_path(*value, file.parent_path());
  if (const auto value = fields.find("options")) method.options = read_option_texts(*value);
  return method;
}

}  // namespace emend
