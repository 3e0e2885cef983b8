#include "model/loader.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "base/fingerprint.h"
#include "emend/error.h"
#include "model/checkpoint_outline.h"
#include "model/checkpoint_tokenizer.h"
#include "model/placement.h"
#include "model/role_table.h"
#include "model/weights.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

// Rows by key/value head (its queries, its key, its value) as all queries, all keys, all values.
at::Tensor ungrouped(const at::Tensor& rows, const ModelConfig& c) {
  const std::int64_t group = c.heads / c.kv_heads;
  std::vector<std::int64_t> sizes = rows.sizes().vec(), grouped = {c.kv_heads, group + 2, c.head_dim};
  sizes[0] = -1;
  grouped.insert(grouped.end(), sizes.begin() + 1, sizes.end());
  const auto parts = rows.view(grouped).split_with_sizes({group, 1, 1}, 1);
  return at::cat({parts[0].reshape(sizes), parts[1].reshape(sizes), parts[2].reshape(sizes)}, 0);
}

at::Tensor in_order_of_pass(const at::Tensor& stored, StoredForm form, const ModelConfig& config) {
  switch (form) {
    case StoredForm::kPlain:
      return stored;
    case StoredForm::kConv1d:
      return stored.t();
    case StoredForm::kGroupedQkv:
      return ungrouped(stored, config);
  }
  return stored;
}

// `from_zero`: the file has what is added to 1.
void fill(const at::Tensor& target, const TensorFile& file, const Assignment& from, const ModelConfig& config,
          bool from_zero, int threads) {
  const auto count = static_cast<std::size_t>(from.tensor->elements());
  const bool direct =
      target.is_cpu() && target.scalar_type() == at::kFloat && from.form == StoredForm::kPlain;
  at::Tensor staged = direct ? target : at::empty(from.tensor->shape, at::kFloat);
  read_as_float32(file, *from.tensor, {staged.data_ptr<float>(), count}, threads);
  if (from_zero) staged.add_(1.0);
  if (!direct) target.copy_(in_order_of_pass(staged, from.form, config));
  // A sum is finite unless an element is not, or the sum itself overflows:
  // only then every element is looked at.
  if (!std::isfinite(staged.sum().item<float>()) && !at::isfinite(staged).all().item<bool>())
    throw Error(ErrorKind::kModel,
                fmt::format("{}: tensor {} holds NaN or infinite values; the model is damaged",
                            from.tensor->file.string(), from.tensor->name));
}

// What a user should know of a tokenizer that works.
void note_tokenizer(const Tokenizer& tokenizer, std::int64_t embedding_rows, Progress& progress) {
  for (const std::string& warning : tokenizer.warnings()) progress.note(warning);
  if (tokenizer.size() > embedding_rows)
    progress.note(
        fmt::format("The tokenizer has {} ids, the model only {} embedding rows: texts with a token "
                    "from {} on are refused.",
                    tokenizer.size(), embedding_rows, embedding_rows));
}

}  // namespace

LoadedModel load_checkpoint(const fs::path& path, const at::TensorOptions& options,
                            const std::vector<at::Device>& devices, int threads, Progress& progress) {
  CheckpointOutline outline = read_outline(path);
  const TensorFile& file = *outline.file;
  const bool from_zero = file.format() == TensorFile::Format::kSafetensors && outline.family->norms_from_zero;

  LoadedModel model;
  model.config = std::move(outline.config);
  model.weights = allocate_weights(model.config, options, place_blocks(model.config, devices));

  progress.begin("loading " + path.filename().string(), static_cast<std::int64_t>(outline.assignments.size()),
                 "tensors");
  std::int64_t done = 0;
  for (Assignment& assignment : outline.assignments) {
    const Role role = assignment.entry.role;
    at::Tensor target = weight_view(model.weights, model.config, role, std::max(assignment.entry.block, 0));
    if (assignment.row >= 0) target = target.select(0, assignment.row);
    fill(target, file, assignment, model.config, from_zero && is_norm_factor(role), threads);
    assignment.entry.digest = xxh3_128_hex(file.bytes(*assignment.tensor));
    model.roles.push_back(assignment.entry);
    progress.update(++done, "");
  }
  progress.end();
  model.tokenizer = read_tokenizer(file, outline.values, path);
  if (model.tokenizer) note_tokenizer(*model.tokenizer, model.config.vocab, progress);
  return model;
}

}  // namespace emend
