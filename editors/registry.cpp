#include <fmt/format.h>

#include "base/nearest.h"
#include "base/strings.h"
#include "editors/bulk/bulk.h"
#include "editors/bulk/methods.h"
#include "editors/crispedit/crispedit.h"
#include "editors/finetune/finetune.h"
#include "editors/finetune/methods.h"
#include "editors/in_context/in_context.h"
#include "editors/rome/rome.h"
#include "emend/editor.h"
#include "emend/error.h"

namespace emend {

const EditorTable& known_editors() {
  static const EditorTable table = {
      {editors::rome_help, editors::make_rome},        editors::bulk_editor(editors::bulk_method),
      editors::bulk_editor(editors::memit_method),     editors::bulk_editor(editors::emmet_method),
      editors::bulk_editor(editors::alphaedit_method), editors::finetune_editor(editors::ft_method),
      editors::finetune_editor(editors::locft_method), editors::crispedit_editor()};
  return table;
}

const EditorTable& benchmark_editors() {
  static const EditorTable table = [] {
    EditorTable all = known_editors();
    all.push_back(editors::in_context_editor());
    return all;
  }();
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

void require_layer_use(const Editor& editor, const std::vector<int>& layers, const std::string& where) {
  if (!layers.empty() && editor.layer_use() == LayerUse::kNone)
    throw Error(ErrorKind::kConfig, fmt::format("{}: the method {} changes no weights, and layer {} is given",
                                                where, quote(editor.name()), layers.front()));
  if (layers.size() > 1 && editor.layer_use() == LayerUse::kOne)
    throw Error(ErrorKind::kConfig, fmt::format("{}: the method {} edits one layer, and {} are listed", where,
                                                quote(editor.name()), layers.size()));
}

void require_teaches_end(const Editor& editor, TargetEnd end, const std::string& where) {
  if (end == TargetEnd::kEos && !editor.teaches_end())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{}: the method {} (with these options) does not teach the model to end its text; "
                    "use rome or bulk, or `end: none`",
                    where, quote(editor.name())));
}

void require_protects(const Editor& editor, Protect protect, const std::string& where) {
  if (protect != Protect::kNone && !editor.protects())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{}: the method {} (with these options) cannot protect other subjects; use rome, or "
                    "`protect: none`",
                    where, quote(editor.name())));
}

}  // namespace emend
