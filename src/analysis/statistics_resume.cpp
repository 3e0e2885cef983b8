// What a folder holds of a run: is it this run, and how far had it come?
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "analysis/statistics_file.h"
#include "analysis/statistics_state.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

RunIdentity StatisticsRun::State::identity() const {
  RunIdentity run;
  run.origin = {model->config().family, ids_text(options.prefix), text->description(), settings, fingerprint};
  run.corpus = text_fingerprint;
  run.seed = std::to_string(options.seed);
  run.tokens =
      std::to_string(plan.tokens) + (options.until ? fmt::format(", until {:f}", *options.until) : "");
  run.block_tokens = std::to_string(options.block_tokens);
  run.shard = options.shard;
  run.shards = options.shards;
  return run;
}

fs::path StatisticsRun::State::checkpoint(const std::vector<int>& layers, const fs::path& folder) const {
  return sums_path(folder, SumsKind::kCheckpoint, layers, options.shard, options.shards);
}

fs::path StatisticsRun::State::part(const std::vector<int>& layers, const fs::path& folder) const {
  return sums_path(folder, SumsKind::kPart, layers, options.shard, options.shards);
}

void StatisticsRun::State::require_no_checkpoint(const fs::path& folder) const {
  for (const std::vector<int>& layers : plan.passes)
    if (fs::exists(checkpoint(layers, folder)))
      throw Error(ErrorKind::kConfig, checkpoint(layers, folder).string() +
                                          ": a run into this folder was not finished; set the option resume "
                                          "to go on, or remove the file");
}

// Checkpoints of a run with other layers, shards or passes have other names. Without this they would stay
// there for ever, and the work in them would be done again.
void StatisticsRun::State::refuse_other_checkpoints(const fs::path& folder) const {
  std::set<fs::path> own;
  for (const std::vector<int>& layers : plan.passes)
    for (int shard = 0; shard < options.shards; ++shard)
      own.insert(sums_path(folder, SumsKind::kCheckpoint, layers, shard, options.shards));
  for (const fs::path& path : find_sums(folder, SumsKind::kCheckpoint))
    if (!own.contains(path))
      throw Error(ErrorKind::kConfig,
                  path.string() +
                      ": the checkpoint of a run with other layers, shards or memory that was not finished; "
                      "go on with the options of that run and resume, or remove the file");
}

// Whether the folder knows which documents this run summed.
bool StatisticsRun::State::knows_its_text(const fs::path& folder) const {
  const std::vector<Collection> known = find_held_text(folder);
  return std::any_of(known.begin(), known.end(),
                     [&](const Collection& collection) { return collection.fingerprint == fingerprint; });
}

bool StatisticsRun::State::take_layers(const std::vector<int>& layers, const fs::path& folder,
                                       StatisticsReport& report) const {
  const auto is_there = [&](int layer) {
    const fs::path path = layer_file(folder, layer);
    return fs::exists(path) && metadata_of(*open_safetensors(path), "fingerprint") == fingerprint;
  };
  if (!std::all_of(layers.begin(), layers.end(), is_there) || !knows_its_text(folder)) return false;
  for (const int layer : layers) {
    const fs::path path = layer_file(folder, layer);
    LayerStatistics& found = report.layers[layer] = read_layer_statistics(*open_safetensors(path), layer);
    found.C = at::Tensor();
    report.outputs.push_back(path);
    const std::optional<double> error = found.quality.error_estimate;
    report.reached_until = report.reached_until && error && *error <= *options.until;
  }
  return true;
}

bool StatisticsRun::State::take_part(const std::vector<int>& layers, const fs::path& folder,
                                     StatisticsReport& report) const {
  const fs::path path = part(layers, folder);
  if (!fs::exists(path)) return false;
  const auto file = open_safetensors(path);
  TextCheckpoint wanted{identity(), {}, 0, {}};
  for (const int layer : layers) wanted.key_fingerprints[layer] = model->key_fingerprint(layer);
  if (wanted.difference(read_checkpoint(*file))) return false;
  const std::int64_t keys = read_sums(*file).sums.count();
  report.outputs.push_back(path);
  for (const int layer : layers) report.layers[layer].tokens = keys;
  return true;
}

void remove_left_temporaries(const fs::path& folder) {
  if (!fs::is_directory(folder)) return;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".emend-") && name.ends_with(".tmp")) left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove(path);
}

}  // namespace emend
