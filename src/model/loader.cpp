#include "model/loader.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/block_reader.h"
#include "model/checkpoint_outline.h"
#include "model/checkpoint_tokenizer.h"
#include "model/kept_blocks.h"
#include "model/placement.h"
#include "model/role_table.h"
#include "model/weight_filling.h"
#include "model/weights.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

void note_tokenizer(const Tokenizer& tokenizer, std::int64_t embedding_rows, Progress& progress) {
  for (const std::string& warning : tokenizer.warnings()) progress.note(warning);
  if (tokenizer.size() > embedding_rows)
    progress.note(
        fmt::format("The tokenizer has {} ids, the model only {} embedding rows: texts with a token "
                    "from {} on are refused.",
                    tokenizer.size(), embedding_rows, embedding_rows));
}

// `first_kept`: the blocks below it are read when they are needed.
ModelWeights room_for(const ModelConfig& config, const LoadingOptions& options, int first_kept) {
  if (options.loading == Loading::kWeights)
    return allocate_weights(config, options.tensors, place_blocks(config, options.devices), first_kept);
  const std::vector<at::Device> nowhere(static_cast<std::size_t>(config.layers), at::kMeta);
  return allocate_weights(config, options.tensors.device(at::kMeta), nowhere);
}

int first_kept(const CheckpointOutline& outline, const LoadingOptions& options) {
  if (options.weight_bytes == 0 || options.loading != Loading::kWeights) return 0;
  if (options.devices.size() > 1 || !options.devices.front().is_cpu())
    throw Error(ErrorKind::kConfig,
                "weights are read block by block on the CPU only; leave out the limit, or the device");
  return first_kept_block(outline.config, options.tensors, options.weight_bytes,
                          outline.file->path().string());
}

// What fills the weights that are kept, and their places among the tensors of the checkpoint; and what fills
// the matrices of the other blocks, block by block.
struct Fillings {
  std::vector<WeightFilling> kept;
  std::vector<std::size_t> places;
  std::vector<std::vector<MatrixPart>> lent;
};

Fillings fillings_of(const CheckpointOutline& outline, int first_kept, LoadedModel& model) {
  const bool from_zero =
      outline.file->format() == TensorFile::Format::kSafetensors && outline.family->norms_from_zero;
  Fillings fillings;
  fillings.lent.resize(static_cast<std::size_t>(first_kept));
  for (std::size_t i = 0; i < outline.assignments.size(); ++i) {
    const Assignment& from = outline.assignments[i];
    const Role role = from.entry.role;
    WeightFilling filling = {{}, from.tensor, from.form, from_zero && is_norm_factor(role)};
    if (is_block_role(role) && from.entry.block < first_kept && is_block_matrix(role_info(role).in_block)) {
      fillings.lent[static_cast<std::size_t>(from.entry.block)].push_back({role, from.row, filling, i});
      continue;
    }
    filling.target = weight_view(model.weights, model.config, role, std::max(from.entry.block, 0));
    if (from.row >= 0) filling.target = filling.target.select(0, from.row);
    fillings.kept.push_back(std::move(filling));
    fillings.places.push_back(i);
  }
  return fillings;
}

// The blocks that are not kept are read once all the same: for their digests, and lest a damaged one is found
// in the middle of work.
void read_blocks(BlockReader& reader, int blocks, std::vector<std::string>& digests, Progress& progress) {
  progress.begin("reading blocks that are not kept", blocks, "blocks");
  for (int l = 0; l < blocks; ++l) {
    reader.check(l, digests);
    progress.update(l + 1, "");
  }
  progress.end();
}

void load_weights(const CheckpointOutline& outline, const LoadingOptions& options, int first_kept,
                  Progress& progress, LoadedModel& model) {
  const std::shared_ptr<const TensorFile> file = outline.file;
  Fillings fillings = fillings_of(outline, first_kept, model);
  std::vector<std::string> digests(outline.assignments.size());
  progress.begin("loading " + file->path().filename().string(),
                 static_cast<std::int64_t>(fillings.kept.size()), "tensors");
  auto kept = fill_weights(*file, fillings.kept, model.config, options.threads, progress);
  progress.end();
  for (std::size_t i = 0; i < kept.size(); ++i) digests[fillings.places[i]] = std::move(kept[i]);
  if (first_kept > 0) {
    model.weights.reader = std::make_shared<BlockReader>(file, model.config, std::move(fillings.lent),
                                                         options.tensors, options.threads);
    read_blocks(*model.weights.reader, first_kept, digests, progress);
  }
  for (std::size_t i = 0; i < digests.size(); ++i) model.roles[i].digest = std::move(digests[i]);
}

bool is_small(const TensorFile& file) {
  std::uint64_t bytes = 0;
  for (const TensorInfo& tensor : file.tensors()) bytes += tensor.bytes;
  return bytes <= kSmallFileBytes;
}

void take_digests(const CheckpointOutline& outline, LoadedModel& model) {
  for (std::size_t i = 0; i < outline.assignments.size(); ++i)
    model.roles[i].digest = xxh3_128_hex(outline.file->bytes(*outline.assignments[i].tensor));
}

}  // namespace

LoadedModel load_checkpoint(const fs::path& path, const LoadingOptions& options, Progress& progress) {
  const CheckpointOutline outline = read_outline(path);
  LoadedModel model;
  model.config = outline.config;
  const int kept = first_kept(outline, options);
  model.weights = room_for(model.config, options, kept);
  for (const Assignment& from : outline.assignments) model.roles.push_back(from.entry);
  std::future<void> digests;  // taken while the tokenizer is read
  if (options.loading == Loading::kWeights)
    load_weights(outline, options, kept, progress, model);
  else if (is_small(*outline.file))
    digests =
        std::async(options.threads > 1 ? std::launch::async | std::launch::deferred : std::launch::deferred,
                   [&] { take_digests(outline, model); });
  model.tokenizer = read_tokenizer(*outline.file, outline.values, path);
  if (digests.valid()) digests.get();
  if (model.tokenizer) note_tokenizer(*model.tokenizer, model.config.vocab, progress);
  return model;
}

}  // namespace emend
