#include "cli/eval_contenders.h"

#include <chrono>
#include <set>

#include "base/strings.h"
#include "cli/layer_list.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/locate.h"
#include "emend/statistics_store.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

// A label as the name of a folder.
std::string folder_name(const std::string& label) {
  std::string name;
  for (const char c : label)
    name += (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20) ? '_' : c;
  return name == "." || name == ".." ? "_" : name;
}

// `layer: auto` of a benchmark: the decision that `emend locate` left beside the statistics, else the default
// by depth. A benchmark's own prompts decide nothing.
int auto_layer_of(const Model& model, const std::vector<std::int64_t>& prefix, const fs::path& statistics,
                  Console& console) {
  const auto held = load_layer_decision(model, prefix, statistics);
  if (!held) return default_layer(model.config());
  console.note("Layer " + std::to_string(held->layer) + ", from " +
               (statistics / "layer_decision.json").string() + " (" + held->source + ").");
  return held->layer;
}

}  // namespace

ContenderSet::ContenderSet(const ContenderOptions& options) : common_(options.common), layer_(options.layer) {
  std::vector<MethodFile> files;
  for (const std::string& method : options.methods) files.push_back({method, method, {}, {}, {}});
  for (const std::string& path : options.files) {
    MethodFile file = read_method_file(path);
    if (file.method.empty()) {
      if (options.methods.size() > 1)
        throw Error(ErrorKind::kUsage,
                    "--options " + path + ": the file names no method, and --method names several");
      file.method = options.methods.empty() ? "rome" : options.methods.front();
    }
    files.push_back(std::move(file));
  }
  if (files.empty()) files.push_back({"rome", "rome", {}, {}, {}});
  std::set<std::string> labels;
  for (MethodFile& file : files) {
    if (!labels.insert(folder_name(file.label)).second)
      throw Error(ErrorKind::kUsage,
                  "two methods have the label " + quote(file.label) + "; give one of them another `label:`");
    Entry entry;
    entry.editor = make_editor(file.method, file.options);
    entry.file = std::move(file);
    entries_.push_back(std::move(entry));
  }
}

void ContenderSet::meet(const Model& model, PromptForm form, Console& console) {
  prefix_ = resolve_bos(model.tokenizer(), common_.bos.value_or("auto"));
  std::map<fs::path, std::set<int>> wanted;
  for (Entry& entry : entries_) {
    const std::vector<int>& layers = entry.file.layer.layers;
    if (layers.size() > 1 && entry.editor->layer_use() == LayerUse::kOne)
      throw Error(ErrorKind::kConfig, entry.file.label + ": the method " + quote(entry.file.method) +
                                          " edits one layer, and " + std::to_string(layers.size()) +
                                          " are listed");
    entry.statistics = !entry.file.statistics.empty() ? entry.file.statistics
                       : !common_.statistics.empty()  ? fs::path(common_.statistics)
                                                      : default_statistics_folder(model, prefix_);
    const int layer = !layers.empty() ? layers.front()
                          : layer_ >= 0   ? layer_
                                          : auto_layer_of(model, prefix_, entry.statistics, console);
    require_layer(layers.empty() ? "--layer" : entry.file.label + ": layer", layer,
                  model.config().layers);
    entry.context.layers = layers.size() > 1 ? layers : std::vector<int>{layer};
    entry.context.prefix = prefix_;
    entry.context.form = form;
    entry.context.seed = common_.seed;
    entry.context.token_budget = common_.token_budget;
    if (!entry.editor->needs_statistics()) continue;
    wanted[entry.statistics].insert(entry.context.layers.begin(), entry.context.layers.end());
  }
  const auto began = std::chrono::steady_clock::now();
  StatisticsOptions collecting;
  collecting.seed = common_.seed;
  collecting.token_budget = common_.token_budget;
  for (const auto& [folder, layers] : wanted)
    statistics_[folder] = StatisticsStore(model, prefix_, folder)
                              .layers({layers.begin(), layers.end()}, collecting, console.progress());
  statistics_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  for (Entry& entry : entries_)
    if (entry.editor->needs_statistics()) entry.context.statistics = &statistics_.at(entry.statistics);
}

std::vector<std::vector<std::int64_t>> ContenderSet::held_text() const {
  for (const auto& [folder, statistics] : statistics_)
    if (!statistics.held_text.empty()) return statistics.held_text;
  return {};
}

std::vector<fs::path> ContenderSet::folders(const fs::path& out) const {
  if (entries_.size() == 1) return {out};
  std::vector<fs::path> folders;
  for (const Entry& entry : entries_) folders.push_back(out / folder_name(entry.file.label));
  return folders;
}

std::vector<Contender> ContenderSet::make(const EvalSummary& header, const fs::path& out) const {
  std::vector<Contender> contenders;
  const std::vector<fs::path> results = folders(out);
  for (const Entry& entry : entries_) {
    Contender contender;
    contender.header = header;
    contender.header.method = entry.file.method;
    contender.header.label = entry.file.label;
    for (const auto& [name, value] : entry.editor->options()) contender.header.options[name] = value;
    contender.header.options["layer"] = std::to_string(entry.context.layers.front());
    contender.header.seconds["statistics"] = statistics_seconds_;
    if (entry.context.statistics)
      contender.header.statistics_fingerprint = entry.context.statistics->fingerprint;
    contender.editor = entry.editor.get();
    contender.context = entry.context;
    contender.folder = results[contenders.size()];
    contenders.push_back(std::move(contender));
  }
  return contenders;
}

}  // namespace emend
