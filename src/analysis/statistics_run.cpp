// One collection from beginning to end: its text and plan, the passes, the layers' files.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "analysis/statistics_file.h"
#include "analysis/statistics_options.h"
#include "analysis/statistics_state.h"
#include "base/fingerprint.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

Statistics StatisticsRun::State::held_and_documents(const std::vector<std::uint64_t>& documents) const {
  Statistics statistics;
  statistics.fingerprint = fingerprint;
  statistics.source = text->description();
  statistics.settings = settings;
  statistics.held_text = text->held_text();
  statistics.held_documents = text->held_documents();
  statistics.documents = documents;
  return statistics;
}

void StatisticsRun::State::write_layers(PassResult& pass, const fs::path& folder,
                                        StatisticsReport& report) const {
  const StatisticsOrigin origin = identity().origin;
  for (std::size_t i = 0; i < pass.sums.layers().size(); ++i) {
    const int layer = pass.sums.layers()[i];
    LayerStatistics finished = finish_layer(pass, i);
    report.outputs.push_back(
        write_layer_file(folder, layer, finished, model->key_fingerprint(layer), origin));
    finished.C = at::Tensor();
    report.layers[layer] = std::move(finished);
  }
  write_held_text(folder, held_and_documents(pass.documents));
}

void StatisticsRun::State::write_part(PassResult& pass, const fs::path& folder,
                                      StatisticsReport& report) const {
  const fs::path path = sums_path(folder, SumsKind::kPart, pass.sums.layers(), options.shard, options.shards);
  save_sums(path, sums_file(pass, plan.blocks), pass.sums);
  report.outputs.push_back(path);
  for (std::size_t i = 0; i < pass.sums.layers().size(); ++i) {
    LayerStatistics& layer = report.layers[pass.sums.layers()[i]];
    layer.tokens = pass.sums.count();
  }
}

StatisticsRun::StatisticsRun(const Model& model, const StatisticsOptions& options, Progress& progress)
    : state_(std::make_unique<State>()) {
  const c10::NoGradGuard no_grad;
  check_statistics_options(model, options);
  State& state = *state_;
  state.model = &model;
  state.options = options;
  state.options.window = std::min(options.window, model.config().max_positions);
  state.layers = sorted_layers(options.layers);
  state.settings = settings_of(model, state.options);
  const std::int64_t wanted = tokens_wanted(model, options);
  CorpusNotes notes;
  state.text = options.corpus.empty() ? make_own_text(model, state.options, wanted)
                                      : make_given_text(model, state.options, wanted, notes, progress);
  state.plan = make_plan(model, state.options, state.layers, *state.text);
  state.plan.repaired = notes.repaired;
  state.plan.repeated = notes.repeated;
  state.plan.binary_files = notes.binary_files;
  state.text_fingerprint = state.text->fingerprint();
  Sha256 hash;
  for (const int layer : state.layers) hash.update_field(model.key_fingerprint(layer));
  hash.update_field(ids_text(options.prefix));
  hash.update_field(state.text_fingerprint);
  hash.update_field(state.settings + ", seed " + std::to_string(options.seed) + ", " +
                    std::to_string(wanted) + " tokens" +
                    (options.until ? " until " + std::to_string(*options.until) : ""));
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
    State::PassResult pass = state_->run_pass(layers, nullptr, progress);
    if (statistics.layers.empty()) statistics = state_->held_and_documents(pass.documents);
    for (std::size_t i = 0; i < layers.size(); ++i)
      statistics.layers[layers[i]] = state_->finish_layer(pass, i);
  }
  return statistics;
}

StatisticsReport StatisticsRun::collect_into(const StatisticsFolder& folder, Progress& progress,
                                             ShardGroup* group) const {
  const c10::NoGradGuard no_grad;
  const State& state = *state_;
  const auto checkpoint = [&](const std::vector<int>& layers) {
    return state.checkpoint(layers, folder.path);
  };
  const bool parts = !group && (folder.keep_sums || state.options.shards > 1);
  for (const std::vector<int>& layers : state.plan.passes)
    if (!folder.resume && fs::exists(checkpoint(layers)))
      throw Error(ErrorKind::kConfig,
                  checkpoint(layers).string() +
                      ": a run into this folder was not finished; go on with --resume, or remove the file");
  if (group) state.require_same_passes(*group);
  state.refuse_other_checkpoints(folder.path);
  if (folder.resume && state.options.shards == 1)
    remove_left_temporaries(folder.path);  // other shards may be writing
  StatisticsReport report;
  report.source = state.text->description();
  report.fingerprint = state.fingerprint;
  report.reached_until = state.options.until.has_value();  // until a pass ends without it
  for (const std::vector<int>& layers : state.plan.passes) {
    if (folder.resume && !parts && state.is_finished(layers, folder.path)) {
      report.resumed_blocks += state.plan.blocks;
      for (const int layer : layers) {
        report.layers[layer] =
            read_layer_statistics(*open_safetensors(layer_file(folder.path, layer)), layer);
        report.layers[layer].C = at::Tensor();
        report.outputs.push_back(layer_file(folder.path, layer));
        const std::optional<double> error = report.layers[layer].quality.error_estimate;
        report.reached_until = report.reached_until && error && *error <= *state.options.until;
      }
      if (group) group->wait_for_all();
      fs::remove(checkpoint(layers));  // a kill between the layers and this leaves it
      continue;
    }
    if (folder.resume && parts && state.take_part(layers, folder.path, report)) {
      report.resumed_blocks += state.plan.blocks;
      fs::remove(checkpoint(layers));
      continue;
    }
    State::PassResult pass = state.run_pass(layers, &folder, progress);
    report.resumed_blocks += pass.resumed_blocks;
    report.reached_until = report.reached_until && pass.reached_until;
    report.curve.insert(report.curve.end(), pass.curve.begin(), pass.curve.end());
    if (group) state.reduce(pass, *group);
    if (parts)
      state.write_part(pass, folder.path, report);
    else if (!group || group->rank() == 0)
      state.write_layers(pass, folder.path, report);
    if (group) group->wait_for_all();  // the layers are written: checkpoints may go
    fs::remove(checkpoint(layers));
  }
  if (!parts && (!group || group->rank() == 0)) report.outputs.push_back(held_text_file(folder.path));
  return report;
}

Statistics collect_statistics(const Model& model, const StatisticsOptions& options, Progress& progress) {
  return StatisticsRun(model, options, progress).collect(progress);
}

}  // namespace emend
