#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/nearest.h"
#include "base/strings.h"
#include "editors/bulk/bulk.h"
#include "editors/bulk/methods.h"
#include "editors/finetune/finetune.h"
#include "editors/finetune/methods.h"
#include "editors/rome/rome.h"
#include "emend/editor.h"
#include "emend/error.h"

namespace emend {

const EditorTable& known_editors() {
  static const EditorTable table = {
      {editors::rome_help, editors::make_rome},        editors::bulk_editor(editors::bulk_method),
      editors::bulk_editor(editors::memit_method),     editors::bulk_editor(editors::emmet_method),
      editors::bulk_editor(editors::alphaedit_method), editors::finetune_editor(editors::ft_method),
      editors::finetune_editor(editors::locft_method)};
  return table;
}

std::vector<EditorHelp> list_editors(const EditorTable& table) {
  std::vector<EditorHelp> all;
  for (const EditorEntry& entry : table) all.push_back(entry.help());
  return all;
}

namespace {

// Throws Error(kind) with the nearest name, behind `place`, if the table has none of this name.
const EditorEntry& entry_of(const std::string& name, const EditorTable& table, ErrorKind kind,
                            const std::string& place) {
  std::vector<std::string> known;
  for (const EditorEntry& entry : table) {
    known.push_back(entry.help().name);
    if (known.back() == name) return entry;
  }
  throw Error(kind, fmt::format("{}there is no method {}{}", place, quote(name), did_you_mean(name, known)));
}

}  // namespace

void require_method(const std::string& what, const std::string& name, const EditorTable& table,
                    ErrorKind kind) {
  entry_of(name, table, kind, what + ": ");
}

std::unique_ptr<Editor> make_editor(const std::string& name, const std::map<std::string, OptionText>& options,
                                    const EditorTable& table) {
  return entry_of(name, table, ErrorKind::kConfig, "").make(options);
}

int default_layer(const ModelConfig& config) {
  // docs/rome.md, the table of layers: 2 of 8 to 10 blocks, 4 of 30.
  return static_cast<int>(std::min(1 + std::lround(config.layers / 10.0), config.layers - 1L));
}

}  // namespace emend
