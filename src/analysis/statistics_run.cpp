// One collection from beginning to end: blocks, checkpoints, the curve, and the layers' files.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <set>

#include "analysis/statistics_file.h"
#include "analysis/statistics_options.h"
#include "analysis/statistics_plan.h"
#include "analysis/statistics_quality.h"
#include "analysis/sums_file.h"
#include "analysis/text_source.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/statistics.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr double kBetweenPoints = 1.3;        // growth of the keys from one point of the curve to the next
constexpr double kBetweenPointsUntil = 1.15;  // the same where the run waits for the estimate

// "0.31 > 0.14 > 0.062": the last points of the curve, for a progress line.
std::string curve_text(const std::vector<CurvePoint>& curve, const std::vector<int>& layers) {
  constexpr std::size_t kMost = 5;
  std::vector<std::string> parts;
  for (std::size_t i = curve.size() > kMost ? curve.size() - kMost : 0; i < curve.size(); ++i) {
    std::string number = std::to_string(curve[i].error_estimate);
    parts.push_back(number.substr(0, 6));
  }
  if (parts.empty()) return "";
  return "error of C^-1 k " + join(parts, " > ") +
         (layers.size() > 1 ? " (layer " + std::to_string(curve.back().layer) + ")" : "");
}

// A process that is killed while it writes leaves a temporary file (base/atomic_file.h): nobody else takes it
// away.
void remove_left_temporaries(const fs::path& folder) {
  if (!fs::is_directory(folder)) return;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".emend-") && name.ends_with(".tmp")) left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove(path);
}

}  // namespace

struct StatisticsRun::State {
  const Model* model;
  StatisticsOptions options;
  std::vector<int> layers;
  std::unique_ptr<TextSource> text;
  std::string fingerprint;
  std::string text_fingerprint;
  std::string settings;
  StatisticsPlan plan;

  // What one pass over the text gives.
  struct PassResult {
    KeySums sums;
    std::map<int, at::Tensor> probes;
    std::vector<CurvePoint> curve;
    std::vector<std::uint64_t> documents;  // of the blocks that are summed, sorted
    std::int64_t resumed_blocks = 0;
    bool reached_until = false;
    double next_point = 0;  // keys at which the curve is looked at again
  };

  RunIdentity identity() const;
  SumsFile sums_file(const PassResult& pass, std::int64_t blocks_done) const;
  PassResult begin_pass(const std::vector<int>& pass_layers, const StatisticsFolder* folder,
                        std::int64_t& blocks_done) const;
  PassResult run_pass(const std::vector<int>& pass_layers, const StatisticsFolder* folder,
                      Progress& progress) const;
  void add_point(PassResult& pass) const;
  void reduce(PassResult& pass, ShardGroup& group) const;
  LayerStatistics finish_layer(PassResult& pass, std::size_t index) const;
  Statistics held_and_documents(const std::vector<std::uint64_t>& documents) const;
  bool is_finished(const std::vector<int>& pass_layers, const fs::path& folder) const;
  void write_layers(PassResult& pass, const fs::path& folder, StatisticsReport& report) const;
  void write_part(PassResult& pass, const fs::path& folder, StatisticsReport& report) const;
  std::optional<std::string> difference(const LoadedSums& found, const std::vector<int>& pass_layers) const;
  void refuse_other_checkpoints(const fs::path& folder) const;
  bool take_part(const std::vector<int>& pass_layers, const fs::path& folder, StatisticsReport& report) const;
};

RunIdentity StatisticsRun::State::identity() const {
  RunIdentity run;
  run.origin = {model->config().family, ids_text(options.prefix), text->description(), settings, fingerprint};
  run.corpus = text_fingerprint;
  run.seed = std::to_string(options.seed);
  run.tokens =
      std::to_string(plan.tokens) + (options.until ? ", until " + std::to_string(*options.until) : "");
  run.blocks = std::to_string(text->blocks());
  run.shard = options.shard;
  run.shards = options.shards;
  return run;
}

SumsFile StatisticsRun::State::sums_file(const PassResult& pass, std::int64_t blocks_done) const {
  SumsFile file;
  file.run = identity();
  for (const int layer : pass.sums.layers()) file.key_fingerprints[layer] = model->key_fingerprint(layer);
  file.probes = pass.probes;
  file.blocks_done = blocks_done;
  file.next_point = pass.next_point;
  file.text = held_and_documents(pass.documents);
  return file;
}

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

// In what sums that were found differ from those of this run and these layers.
std::optional<std::string> StatisticsRun::State::difference(const LoadedSums& found,
                                                            const std::vector<int>& pass_layers) const {
  if (found.sums.layers() != pass_layers) return "the layers";
  for (const int layer : pass_layers)
    if (found.file.key_fingerprints.at(layer) != model->key_fingerprint(layer))
      return "the model or tokenizer";
  return identity().difference(found.file.run);
}

// Checkpoints of a run with other layers, shards or passes have other names: without this they would lie
// there for ever, and the work in them would be done again.
void StatisticsRun::State::refuse_other_checkpoints(const fs::path& folder) const {
  std::set<fs::path> own;
  for (const std::vector<int>& pass_layers : plan.passes)
    for (int shard = 0; shard < options.shards; ++shard)
      own.insert(sums_path(folder, SumsKind::kCheckpoint, pass_layers, shard, options.shards));
  for (const fs::path& path : find_sums(folder, SumsKind::kCheckpoint))
    if (!own.contains(path))
      throw Error(ErrorKind::kConfig,
                  path.string() +
                      ": the checkpoint of a run with other layers, shards or --memory that was not "
                      "finished; go on with that run's options and --resume, or remove the file");
}

// A shard's part that is there already, whole.
bool StatisticsRun::State::take_part(const std::vector<int>& pass_layers, const fs::path& folder,
                                     StatisticsReport& report) const {
  const fs::path path = sums_path(folder, SumsKind::kPart, pass_layers, options.shard, options.shards);
  if (!fs::exists(path)) return false;
  const LoadedSums found = load_sums(path);
  if (difference(found, pass_layers)) return false;
  report.outputs.push_back(path);
  for (const int layer : pass_layers) report.layers[layer].tokens = found.sums.count();
  return true;
}

// Where a pass begins: at a checkpoint, or with nothing.
StatisticsRun::State::PassResult StatisticsRun::State::begin_pass(const std::vector<int>& pass_layers,
                                                                  const StatisticsFolder* folder,
                                                                  std::int64_t& blocks_done) const {
  PassResult pass{KeySums(pass_layers, model->config().d_ff),
                  probe_keys(*model, pass_layers, text->held_text()),
                  {},
                  {},
                  0,
                  false,
                  0};
  if (!folder || !folder->resume) return pass;
  const fs::path path =
      sums_path(folder->path, SumsKind::kCheckpoint, pass_layers, options.shard, options.shards);
  if (!fs::exists(path)) return pass;
  LoadedSums loaded = load_sums(path);
  if (const auto other = difference(loaded, pass_layers))
    throw Error(ErrorKind::kConfig, path.string() + ": this is the checkpoint of another run; different is " +
                                        *other + "; go on with that run's options, or remove the file");
  blocks_done = pass.resumed_blocks = loaded.file.blocks_done;
  pass.next_point = loaded.file.next_point;
  pass.documents = std::move(loaded.file.text.documents);
  pass.sums = std::move(loaded.sums);
  return pass;
}

StatisticsRun::State::PassResult StatisticsRun::State::run_pass(const std::vector<int>& pass_layers,
                                                                const StatisticsFolder* folder,
                                                                Progress& progress) const {
  std::int64_t blocks_done = 0;
  PassResult pass = begin_pass(pass_layers, folder, blocks_done);
  std::int64_t total = 0;
  for (std::int64_t b = options.shard; b < text->blocks(); b += options.shards) total += text->block_keys(b);
  progress.begin("statistics of " + std::to_string(pass_layers.size()) +
                     (pass_layers.size() == 1 ? " layer" : " layers"),
                 total, "tokens");
  std::string note;
  for (std::int64_t b = options.shard + blocks_done * options.shards; b < text->blocks();
       b += options.shards) {
    text->sum(b, pass.sums, pass.sums.count(), note, progress);
    for (const std::uint64_t document : text->documents(b)) pass.documents.push_back(document);
    std::sort(pass.documents.begin(), pass.documents.end());
    pass.documents.erase(std::unique(pass.documents.begin(), pass.documents.end()), pass.documents.end());
    ++blocks_done;
    if (static_cast<double>(pass.sums.count()) >= pass.next_point) {
      add_point(pass);
      note = curve_text(pass.curve, pass_layers);
      progress.update(pass.sums.count(), note);
      if (!pass.curve.empty())
        pass.next_point =
            static_cast<double>(pass.sums.count()) * (options.until ? kBetweenPointsUntil : kBetweenPoints);
      pass.reached_until =
          options.until && !pass.curve.empty() && pass.curve.back().error_estimate <= *options.until;
      if (pass.reached_until) break;
    }
    if (folder && b + options.shards < text->blocks())
      save_sums(sums_path(folder->path, SumsKind::kCheckpoint, pass_layers, options.shard, options.shards),
                sums_file(pass, blocks_done), pass.sums);
  }
  progress.end();
  return pass;
}

// The worst of a few layers; of all where the run stops by it.
void StatisticsRun::State::add_point(PassResult& pass) const {
  const std::size_t n = pass.sums.layers().size();
  std::vector<std::size_t> looked_at;
  for (std::size_t i = 0; i < n; ++i)
    if (options.until || i == 0 || i == n / 2 || i + 1 == n) looked_at.push_back(i);
  CurvePoint point;
  point.tokens = pass.sums.count();
  for (const std::size_t i : looked_at) {
    const auto probes = pass.probes.find(pass.sums.layers()[i]);
    const auto estimate =
        probes == pass.probes.end() ? std::nullopt : estimate_error(pass.sums, i, probes->second);
    if (!estimate) return;
    if (*estimate >= point.error_estimate) {
      point.error_estimate = *estimate;
      point.layer = pass.sums.layers()[i];
    }
  }
  pass.curve.push_back(point);
}

// C of one layer with all that is known about it.
LayerStatistics StatisticsRun::State::finish_layer(PassResult& pass, std::size_t index) const {
  const MomentSum &a = pass.sums.half(index, 0), &b = pass.sums.half(index, 1);
  LayerStatistics layer;
  layer.tokens = a.count() + b.count();
  if (const auto probes = pass.probes.find(pass.sums.layers()[index]); probes != pass.probes.end())
    layer.probes = probes->second;
  const auto estimate = estimate_error(pass.sums, index, layer.probes);
  layer.C = (a.value() + b.value()) / static_cast<double>(layer.tokens);
  layer.quality = quality_of(layer.C);
  layer.quality.error_estimate = estimate;
  return layer;
}

void StatisticsRun::State::reduce(PassResult& pass, ShardGroup& group) const {
  for (std::size_t i = 0; i < pass.sums.layers().size(); ++i)
    for (int half = 0; half < KeySums::kHalves; ++half) {
      const at::Tensor packed = pass.sums.half(i, half).packed().clone();
      auto count = static_cast<double>(pass.sums.half(i, half).count());
      group.sum_to_first(packed.data_ptr<double>(), packed.numel());
      group.sum_to_first(&count, 1);
      pass.sums.half(i, half) =
          MomentSum::from_packed(pass.sums.d_ff(), static_cast<std::int64_t>(count), packed);
    }
  pass.documents = group.gather_to_first(pass.documents);
  std::sort(pass.documents.begin(), pass.documents.end());
  pass.documents.erase(std::unique(pass.documents.begin(), pass.documents.end()), pass.documents.end());
}

bool StatisticsRun::State::is_finished(const std::vector<int>& pass_layers, const fs::path& folder) const {
  if (!fs::exists(held_text_file(folder))) return false;
  for (const int layer : pass_layers) {
    const fs::path path = layer_file(folder, layer);
    if (!fs::exists(path) || statistics_metadata(*open_safetensors(path), "fingerprint") != fingerprint)
      return false;
  }
  return true;
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
    return sums_path(folder.path, SumsKind::kCheckpoint, layers, state.options.shard, state.options.shards);
  };
  const bool parts = !group && (folder.keep_sums || state.options.shards > 1);
  for (const std::vector<int>& layers : state.plan.passes)
    if (!folder.resume && fs::exists(checkpoint(layers)))
      throw Error(ErrorKind::kConfig,
                  checkpoint(layers).string() +
                      ": a run into this folder was not finished; go on with --resume, or remove the file");
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
