#include "eval/contenders.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "analysis/layer_choice.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_factors.h"
#include "analysis/statistics_file.h"
#include "analysis/statistics_place.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/locate.h"
#include "emend/statistics_store.h"
#include "eval/decided_by.h"
#include "eval/record_edits.h"
#include "measure/other_subjects.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// A label as the name of a folder.
std::string folder_name(const std::string& label) {
  std::string name;
  for (const char c : label)
    name += (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20) ? '_' : c;
  return name == "." || name == ".." ? "_" : name;
}

MethodFile with_names(MethodFile method) {
  if (method.method.empty()) method.method = kDefaultMethod;
  if (method.label.empty()) method.label = method.method;
  return method;
}

// Where no decision is kept: a benchmark's own prompts decide nothing.
LayerDecision by_depth(const Model& model, const std::vector<std::int64_t>& prefix) {
  return decide_layer(model, prefix, {}, 0, {});
}

// Next tokens are compared with the base's in the batch of its rows, and there are none behind another text.
void require_comparable(const Editor& editor, const std::string& label, bool plus) {
  if (plus && editor.layer_use() == LayerUse::kNone)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option plus does not go with {}, which puts its facts in front of every "
                            "prompt",
                            quote(label)));
}

// "2, 3, 4"
std::string layers_text(const std::vector<int>& layers) {
  std::vector<std::string> names;
  for (const int layer : layers) names.push_back(std::to_string(layer));
  return join(names);
}

}  // namespace

std::vector<MethodFile> benchmark_methods(const std::vector<std::string>& names,
                                          const std::vector<fs::path>& files, const EditorTable& table) {
  std::vector<MethodFile> methods;
  for (const std::string& name : names) methods.push_back({name, name, {}, {}, {}, {}});
  for (const fs::path& path : files) {
    MethodFile file = read_method_file(path);
    if (!file.method.empty()) require_method(file.method_where, file.method, table, ErrorKind::kConfig);
    if (file.method.empty() && names.size() > 1)
      throw Error(ErrorKind::kUsage,
                  path.string() + ": the file names no method, and several are given beside it");
    if (file.method.empty()) file.method = names.empty() ? kDefaultMethod : names.front();
    methods.push_back(std::move(file));
  }
  return methods;
}

ContenderSet::ContenderSet(const BenchmarkOptions& options) : options_(options) {
  std::vector<MethodFile> methods = options.methods;
  if (methods.empty()) methods.emplace_back();
  std::set<std::string> folders;
  for (MethodFile& given : methods) {
    Entry entry;
    entry.method = with_names(std::move(given));
    if (!folders.insert(folder_name(entry.method.label)).second)
      throw Error(ErrorKind::kUsage,
                  fmt::format("two methods have the label {}; give one of them another `label:`",
                              quote(entry.method.label)));
    const EditorTable& table = options.editors != nullptr ? *options.editors : benchmark_editors();
    entry.editor = make_editor(entry.method.method, entry.method.options, table);
    require_protects(*entry.editor, entry.method.protect, entry.method.label);
    require_teaches_end(*entry.editor, entry.method.end, entry.method.label);
    require_comparable(*entry.editor, entry.method.label, options.plus);
    entries_.push_back(std::move(entry));
  }
}

void ContenderSet::settle(const Model& model, std::int64_t token_budget, const EditRequest& sample,
                          Progress& progress) {
  prefix_ = row_prefix(model.tokenizer(), options_.bos, options_.form);
  for (Entry& entry : entries_) {
    entry.statistics = !entry.method.statistics.empty() ? entry.method.statistics : options_.statistics;
    const bool is_named = !entry.statistics.empty();
    if (!is_named) entry.statistics = find_decided_statistics(model, prefix_);
    entry.context.layers = layers_of(entry, model, progress);
    if (!is_named && entry.editor->needs_statistics()) {
      StatisticsPlace place = find_statistics(model, prefix_, wanted_statistics(entry.context.layers));
      if (!place.note.empty()) progress.note(place.note);
      entry.statistics = std::move(place.folder);
    }
    entry.context.prefix = prefix_;
    entry.context.form = options_.form;
    entry.context.ends = taught_ends(model.tokenizer(), entry.method.end, options_.form, entry.method.label);
    entry.context.seed = options_.seed;
    entry.context.token_budget = token_budget;
    entry.context.cache = &caches_.try_emplace(entry.statistics, entry.statistics).first->second;
  }
  load_statistics(model, token_budget, sample, progress);
}

// The layers that its file names, or the benchmark's, in ascending order; else the one that `auto` finds.
std::vector<int> ContenderSet::layers_of(const Entry& entry, const Model& model, Progress& progress) const {
  const bool own = !entry.method.layer.layers.empty() || is_by_depth(entry.method.layer);
  if (entry.method.layer.layers.empty() && entry.editor->layer_use() == LayerUse::kNone) return {};
  const std::vector<int>& given = own ? entry.method.layer.layers : options_.layer.layers;
  if (given.empty()) {
    const bool depth = is_by_depth(own ? entry.method.layer : options_.layer);
    const LayerDecision decision =
        depth ? by_depth(model, prefix_)
              : auto_layer(model, prefix_, entry.statistics, decided_by(*entry.editor), progress,
                           [&] { return by_depth(model, prefix_); });
    return entry.editor->layers_around(decision.layer, model.config());
  }
  const std::string where = own                            ? entry.method.label + ": layer"
                            : options_.layer.where.empty() ? "layer"
                                                           : options_.layer.where;
  std::vector<int> layers = named_layers(given, model.config(), where);
  require_layer_use(*entry.editor, given, entry.method.label);
  return layers;
}

// Lets the methods of this folder factor what they need, so that nothing is factored for its condition alone.
StatisticsStore::Conditions ContenderSet::plan_on(const Statistics& found, const fs::path& folder,
                                                  const Model& model, const EditRequest& sample,
                                                  EditorCache& planned) const {
  for (const Entry& entry : entries_) {
    if (!entry.editor->needs_statistics() || entry.statistics != folder) continue;
    EditorContext context = entry.context;
    context.statistics = &found;
    context.cache = &planned;
    try {
      entry.editor->plan(model, {sample}, context);
    } catch (const Error& error) {
      // This record may be one that is left out later, also because it is too long.
      if (!is_about_records(error) && error.kind() != ErrorKind::kModel) throw;
    }
  }
  return known_conditions(found, planned.factors());
}

void ContenderSet::load_statistics(const Model& model, std::int64_t token_budget, const EditRequest& sample,
                                   Progress& progress) {
  const auto began = std::chrono::steady_clock::now();
  std::map<fs::path, std::set<int>> wanted;
  for (const Entry& entry : entries_)
    if (entry.editor->needs_statistics())
      wanted[entry.statistics].insert(entry.context.layers.begin(), entry.context.layers.end());
  StatisticsOptions collecting;
  collecting.seed = options_.seed;
  collecting.token_budget = token_budget;
  for (const auto& one : wanted) {
    const fs::path& folder = one.first;  // named, since clang 14 lets no lambda take a structured binding
    const std::set<int>& layers = one.second;
    EditorCache planned;  // in memory alone: nothing is written before the layers are
    statistics_[folder] =
        StatisticsStore(model, prefix_, folder)
            .layers({layers.begin(), layers.end()}, collecting, progress,
                    [&](const Statistics& found) { return plan_on(found, folder, model, sample, planned); });
    caches_.at(folder).factors().take_over(planned.factors());
    if (const std::optional<std::string> warning = warning_of(statistics_.at(folder)))
      progress.note(fmt::format("{}: {}", folder.string(), *warning));
  }
  for (Entry& entry : entries_)
    if (entry.editor->needs_statistics()) entry.context.statistics = &statistics_.at(entry.statistics);
  statistics_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

bool ContenderSet::any_protects() const {
  return std::ranges::any_of(entries_,
                             [](const Entry& entry) { return entry.method.protect != Protect::kNone; });
}

void ContenderSet::protect(const Model& model, const std::vector<EvalRecord>& records,
                           const std::vector<EvalRecord>& held, const CheckOptions& checks) {
  std::vector<EditRequest> requests, measured;
  for (const EvalRecord& record : records) requests.push_back(record.request);
  for (const EvalRecord& record : held) measured.push_back(record.request);
  for (Entry& entry : entries_) {
    if (entry.method.protect == Protect::kNone) continue;
    std::vector<std::string> unnamed;
    entry.protection =
        find_protection(model, requests, entry.method.protect, /*strict=*/false, checks, unnamed);
    leave_out_names(measured, entry.protection);
    entry.context.protection = &entry.protection;
  }
}

std::vector<std::vector<std::int64_t>> ContenderSet::held_text() const {
  std::vector<VisitedText> seen;
  for (const auto& [folder, statistics] : statistics_) seen.push_back(visited_text(statistics));
  std::vector<const VisitedText*> texts;
  for (const VisitedText& text : seen) texts.push_back(&text);
  return text_of_all(texts).held_text;
}

std::vector<fs::path> ContenderSet::folders(const fs::path& out) const {
  if (entries_.size() == 1) return {out};
  std::vector<fs::path> folders;
  for (const Entry& entry : entries_) folders.push_back(out / folder_name(entry.method.label));
  return folders;
}

std::vector<Contender> ContenderSet::make(const EvalSummary& header, const fs::path& out) const {
  std::vector<Contender> contenders;
  const std::vector<fs::path> results = folders(out);
  for (const Entry& entry : entries_) {
    Contender contender;
    contender.header = header;
    contender.header.method = entry.method.method;
    contender.header.label = entry.method.label;
    for (const auto& [name, value] : entry.editor->options()) contender.header.options[name] = value;
    if (entry.method.protect != Protect::kNone)
      contender.header.options["protect"] = to_string(entry.method.protect);
    if (entry.editor->teaches_end())
      contender.header.options["end"] = entry.context.ends.empty() ? "none" : "eos";
    if (!entry.context.layers.empty()) contender.header.options["layer"] = layers_text(entry.context.layers);
    contender.header.seconds["statistics"] = statistics_seconds_;
    if (entry.context.statistics != nullptr)
      contender.header.statistics_fingerprint = entry.context.statistics->fingerprint(entry.context.layers);
    contender.editor = entry.editor.get();
    contender.context = entry.context;
    contender.folder = results[contenders.size()];
    contenders.push_back(std::move(contender));
  }
  return contenders;
}

}  // namespace emend
