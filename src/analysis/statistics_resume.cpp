// What a folder holds of a run: is it this one, and how far had it come?
#include <set>

#include "analysis/statistics_file.h"
#include "analysis/statistics_options.h"
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
      std::to_string(plan.tokens) + (options.until ? ", until " + std::to_string(*options.until) : "");
  run.block_tokens = std::to_string(block_tokens(*model, options));
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

fs::path StatisticsRun::State::checkpoint(const std::vector<int>& pass_layers, const fs::path& folder) const {
  return sums_path(folder, SumsKind::kCheckpoint, pass_layers, options.shard, options.shards);
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
