#include "memories/value_table.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "analysis/text_file.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_view.h"
#include "emend/tensor_file.h"
#include "emend/version.h"

namespace emend {
namespace {

// The tensors of a table as they are stored.
struct Column {
  const char* name;
  const char* stored;
  at::ScalarType type;  // in the file
  at::Tensor ValueTable::*member;
  bool is_table;  // [F, K], else [F]
};

const std::vector<Column>& columns() {
  static const std::vector<Column> all = {
      {"top_ids", "U32", at::kUInt32, &ValueTable::top_ids, true},
      {"top_logits", "F32", at::kFloat, &ValueTable::top_logits, true},
      {"bottom_ids", "U32", at::kUInt32, &ValueTable::bottom_ids, true},
      {"bottom_logits", "F32", at::kFloat, &ValueTable::bottom_logits, true},
      {"log_sum", "F64", at::kDouble, &ValueTable::log_sum, false},
      {"low_log_sum", "F64", at::kDouble, &ValueTable::low_log_sum, false},
      {"entropy", "F64", at::kDouble, &ValueTable::entropy, false},
      {"low_entropy", "F64", at::kDouble, &ValueTable::low_entropy, false},
      {"norm", "F32", at::kFloat, &ValueTable::norm, false},
  };
  return all;
}

[[noreturn]] void refuse(const TensorFile& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}; reading the values into the index writes it again",
                                              file.path().string(), what));
}

}  // namespace

std::int64_t ValueTable::favourite(std::int64_t cell, bool positive) const {
  return (positive ? top_ids : bottom_ids)[cell][0].item<std::int64_t>();
}

double ValueTable::largest_probability(std::int64_t cell, bool positive) const {
  return positive ? std::exp(top_logits[cell][0].item<double>() - log_sum[cell].item<double>())
                  : std::exp(-bottom_logits[cell][0].item<double>() - low_log_sum[cell].item<double>());
}

ScoredTable make_value_table(const Model& model, int layer, const Lens& lens, int keep,
                             const at::Tensor& targets, const std::function<void(std::int64_t)>& on_cells) {
  const c10::NoGradGuard no_gradients;
  const at::Tensor values = FfnView(model, layer).values(ValueSide::kArriving).to(at::kCPU).contiguous();
  VocabularyResult found = lens.reduce(lens.fold(values, layer), keep, targets, on_cells);
  ScoredTable scored;
  scored.table = {layer,         found.top_ids,     found.top_logits, found.bottom_ids,  found.bottom_logits,
                  found.log_sum, found.low_log_sum, found.entropy,    found.low_entropy, values.norm(2, 1)};
  scored.ranks = found.target_ranks;
  scored.low_ranks = found.target_low_ranks;
  return scored;
}

ValueTable value_table(const Model& model, int layer, const LensOptions& lens, int keep) {
  return make_value_table(model, layer, Lens(model, lens), keep).table;
}

std::filesystem::path value_file(const std::filesystem::path& folder, int layer) {
  return folder / fmt::format("values_{}.safetensors", layer);
}

std::filesystem::path save_values(const std::filesystem::path& folder, const ValueTable& table,
                                  const Model& model, const LensOptions& lens) {
  FileWriter writer;
  for (const Column& column : columns())
    writer.add(column.name, (table.*column.member).to(column.type).contiguous());
  writer.set("kind", "memory values");
  writer.set("version", emend_version());
  writer.set("layer", std::to_string(table.layer));
  writer.set("lens", to_string(lens));
  writer.set("mask_special", lens.mask_special ? "yes" : "no");
  writer.set("model_fingerprint", model.fingerprint());
  writer.set("tokenizer_fingerprint", model.has_tokenizer() ? model.tokenizer().fingerprint() : "");
  const std::filesystem::path file = value_file(folder, table.layer);
  writer.write(file);
  return file;
}

std::optional<StoredValues> read_values(const std::filesystem::path& folder, int layer) {
  const std::filesystem::path path = value_file(folder, layer);
  if (!std::filesystem::exists(path)) return std::nullopt;
  const auto file = open_safetensors(path);
  if (metadata_of(*file, "kind") != "memory values" || metadata_number(*file, "layer") != layer)
    refuse(*file, fmt::format("these are no values of layer {}", layer));
  StoredValues stored;
  stored.table.layer = layer;
  for (const Column& column : columns()) {
    const at::Tensor tensor = stored_tensor(*file, column.name, column.stored);
    stored.table.*column.member = column.type == at::kUInt32 ? tensor.to(at::kLong) : tensor;
  }
  const std::int64_t cells = stored.table.norm.numel();
  const std::int64_t keep = stored.table.top_ids.dim() == 2 ? stored.table.top_ids.size(1) : 0;
  for (const Column& column : columns()) {
    const at::Tensor& tensor = stored.table.*column.member;
    const bool fits = column.is_table ? tensor.sizes() == at::IntArrayRef({cells, keep})
                                      : tensor.sizes() == at::IntArrayRef({cells});
    if (!fits || keep == 0)
      refuse(*file, fmt::format("tensor {} has another shape than the others", quote(column.name)));
  }
  stored.lens = metadata_of(*file, "lens");
  stored.model_fingerprint = metadata_of(*file, "model_fingerprint");
  stored.tokenizer_fingerprint = metadata_of(*file, "tokenizer_fingerprint");
  return stored;
}

}  // namespace emend
