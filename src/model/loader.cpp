#include "model/loader.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/checkpoint_outline.h"
#include "model/checkpoint_tokenizer.h"
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

ModelWeights room_for(const ModelConfig& config, const LoadingOptions& options) {
  if (options.loading == Loading::kWeights)
    return allocate_weights(config, options.tensors, place_blocks(config, options.devices));
  const std::vector<at::Device> nowhere(static_cast<std::size_t>(config.layers), at::kMeta);
  return allocate_weights(config, options.tensors.device(at::kMeta), nowhere);
}

void load_weights(const CheckpointOutline& outline, const LoadingOptions& options, Progress& progress,
                  LoadedModel& model) {
  const TensorFile& file = *outline.file;
  const bool from_zero = file.format() == TensorFile::Format::kSafetensors && outline.family->norms_from_zero;
  std::vector<WeightFilling> fillings;
  for (const Assignment& from : outline.assignments) {
    const Role role = from.entry.role;
    at::Tensor target = weight_view(model.weights, model.config, role, std::max(from.entry.block, 0));
    if (from.row >= 0) target = target.select(0, from.row);
    fillings.push_back({target, from.tensor, from.form, from_zero && is_norm_factor(role)});
  }
  const auto count = static_cast<std::int64_t>(fillings.size());
  progress.begin("loading " + file.path().filename().string(), count, "tensors");
  const auto digests = fill_weights(file, fillings, model.config, options.threads, progress);
  progress.end();
  for (std::size_t i = 0; i < digests.size(); ++i) model.roles[i].digest = digests[i];
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
  model.weights = room_for(model.config, options);
  for (const Assignment& from : outline.assignments) model.roles.push_back(from.entry);
  if (options.loading == Loading::kWeights)
    load_weights(outline, options, progress, model);
  else if (is_small(*outline.file))
    take_digests(outline, model);
  model.tokenizer = read_tokenizer(*outline.file, outline.values, path);
  if (model.tokenizer) note_tokenizer(*model.tokenizer, model.config.vocab, progress);
  return model;
}

}  // namespace emend
