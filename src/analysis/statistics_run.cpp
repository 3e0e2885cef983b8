// A collection from beginning to end: its text and plan, the passes, the layers' files.
#include "emend/statistics_run.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "analysis/given_text.h"
#include "analysis/own_text.h"
#include "analysis/statistics_file.h"
#include "analysis/statistics_plan.h"
#include "analysis/statistics_quality.h"
#include "analysis/statistics_state.h"
#include "analysis/text_options.h"
#include "base/fingerprint.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

StatisticsRun::State::Pass StatisticsRun::State::run_pass(const std::vector<int>& layers,
                                                          const StatisticsFolder* folder,
                                                          Progress& progress) const {
  Pass pass{StatisticsVisitor(KeySums(layers, model->config().d_ff),
                              probe_keys(*model, layers, text->held_text()), options.until),
            {}};
  WalkOptions walk;
  walk.stage = fmt::format("statistics of {}{}", layers.size(), layers.size() == 1 ? " layer" : " layers");
  walk.run = identity();
  if (folder) {
    walk.checkpoint = checkpoint(layers, folder->path);
    walk.resume = folder->resume;
  }
  pass.walk = walk_text(*model, *text, pass.visitor, walk, progress);
  return pass;
}

// Sums of other layers would be added to each other: each process plans by the memory that it finds.
void StatisticsRun::State::require_same_passes(ShardGroup& group) const {
  std::vector<std::uint64_t> firsts;
  for (const std::vector<int>& layers : plan.passes)
    firsts.push_back(static_cast<std::uint64_t>(layers.front()));
  const std::vector<std::uint64_t> all = group.gather_to_first(firsts);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all.size() % firsts.size() != 0 || all[i] != firsts[i % firsts.size()])
      throw Error(
          ErrorKind::kConfig,
          "statistics: the processes have unequal memory and planned different passes; set the option "
          "memory, the same for all");
}

void StatisticsRun::State::reduce(Pass& pass, ShardGroup& group) const {
  pass.visitor.reduce(group);
  pass.walk.documents = group.gather_to_first(pass.walk.documents);
  sort_documents(pass.walk.documents);
}

VisitedText StatisticsRun::State::visited_text(const Walk& walk) const {
  return {walk.documents, text->held_text(), text->held_documents()};
}

void StatisticsRun::State::write_layers(const Pass& pass, const fs::path& folder,
                                        StatisticsReport& report) const {
  const TextOrigin origin = identity().origin;
  for (std::size_t i = 0; i < pass.visitor.layers().size(); ++i) {
    const int layer = pass.visitor.layers()[i];
    LayerStatistics finished = pass.visitor.finish(i);
    report.outputs.push_back(
        write_layer_file(folder, layer, finished, model->key_fingerprint(layer), origin));
    finished.C = at::Tensor();
    report.layers[layer] = std::move(finished);
  }
  write_held_text(folder, {{fingerprint, visited_text(pass.walk)}}, pass.visitor.layers());
}

void StatisticsRun::State::write_part(const Pass& pass, const fs::path& folder,
                                      StatisticsReport& report) const {
  TextCheckpoint whole = checkpoint_of(*model, *text, pass.visitor, identity(), pass.walk);
  whole.blocks_done = plan.blocks;
  const fs::path path = part(pass.visitor.layers(), folder);
  save_checkpoint(path, whole, pass.visitor);
  report.outputs.push_back(path);
  for (const int layer : pass.visitor.layers()) report.layers[layer].tokens = pass.visitor.sums().count();
}

StatisticsRun::StatisticsRun(const Model& model, const StatisticsOptions& options, Progress& progress)
    : state_(std::make_unique<State>()) {
  const c10::NoGradGuard no_grad;
  State& state = *state_;
  state.model = &model;
  state.options = settle_options(model, options);
  state.settings = settings_of(model, state.options);
  CorpusNotes notes;
  state.text = options.corpus.empty() ? make_own_text(model, state.options)
                                      : make_given_text(model, state.options, notes, progress);
  state.plan = make_plan(model, state.options, *state.text);
  state.plan.repaired = notes.repaired;
  state.plan.repeated = notes.repeated;
  state.plan.binary_files = notes.binary_files;
  state.text_fingerprint = state.text->fingerprint();
  Sha256 hash;
  for (const int layer : state.options.layers) hash.update_field(model.key_fingerprint(layer));
  hash.update_field(ids_text(options.prefix));
  hash.update_field(state.text_fingerprint);
  hash.update_field(fmt::format("{}, seed {}, {} tokens{}", state.settings, options.seed,
                                state.options.tokens,
                                options.until ? " until " + std::to_string(*options.until) : ""));
  state.fingerprint = hash.hex();
}

StatisticsRun::~StatisticsRun() = default;
StatisticsRun::StatisticsRun(StatisticsRun&&) noexcept = default;

const StatisticsPlan& StatisticsRun::plan() const {
  return state_->plan;
}

Statistics StatisticsRun::collect(Progress& progress) const {
  const c10::NoGradGuard no_grad;
  Statistics statistics;
  for (const std::vector<int>& layers : state_->plan.passes) {
    const State::Pass pass = state_->run_pass(layers, nullptr, progress);
    if (statistics.layers.empty()) set_text(statistics, state_->visited_text(pass.walk));
    for (std::size_t i = 0; i < layers.size(); ++i)
      statistics.layers[layers[i]] = pass.visitor.finish(i, state_->options.conditions);
  }
  statistics.set_origin({state_->text->description(), state_->settings, state_->fingerprint});
  return statistics;
}

void StatisticsRun::State::pass_into(const std::vector<int>& layers, const Target& target, Progress& progress,
                                     StatisticsReport& report) const {
  const fs::path& folder = target.folder->path;
  if (target.folder->resume &&
      (target.parts ? take_part(layers, folder, report) : take_layers(layers, folder, report))) {
    report.resumed_blocks += plan.blocks;
  } else {
    Pass pass = run_pass(layers, target.folder, progress);
    report.resumed_blocks += pass.walk.resumed_blocks;
    report.reached_until = report.reached_until && pass.visitor.reached_until();
    report.curve.insert(report.curve.end(), pass.visitor.curve().begin(), pass.visitor.curve().end());
    if (target.group) reduce(pass, *target.group);
    if (target.parts) write_part(pass, folder, report);
    if (target.layers) write_layers(pass, folder, report);
  }
  if (target.group) target.group->wait_for_all();  // the layers are written: checkpoints may go
  fs::remove(checkpoint(layers, folder));  // if the process is killed before this, the next run does it
}

StatisticsReport StatisticsRun::collect_into(const StatisticsFolder& folder, Progress& progress,
                                             ShardGroup* group) const {
  const c10::NoGradGuard no_grad;
  const State& state = *state_;
  const bool parts = !group && (folder.keep_sums || state.options.shards > 1);
  const State::Target target{&folder, group, parts, !parts && (!group || group->rank() == 0)};
  if (!folder.resume) state.require_no_checkpoint(folder.path);
  if (group) state.require_same_passes(*group);
  state.refuse_other_checkpoints(folder.path);
  if (folder.resume && state.options.shards == 1)
    remove_left_temporaries(folder.path);  // other shards may be writing
  StatisticsReport report;
  report.source = state.text->description();
  report.fingerprint = state.fingerprint;
  report.reached_until = state.options.until.has_value();  // until a pass ends without it
  for (const std::vector<int>& layers : state.plan.passes) state.pass_into(layers, target, progress, report);
  if (target.layers) report.outputs.push_back(held_text_file(folder.path));
  return report;
}

Statistics collect_statistics(const Model& model, const StatisticsOptions& options, Progress& progress) {
  return StatisticsRun(model, options, progress).collect(progress);
}

}  // namespace emend
