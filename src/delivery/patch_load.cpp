#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "delivery/patch_digest.h"
#include "delivery/patch_format1.h"
#include "delivery/patch_metadata.h"
#include "delivery/tensor_reader.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "io/mapped_file.h"
#include "io/safetensors_header.h"

namespace emend {
namespace {

// The weight of "model.layers.<l>.mlp_down.<part>"; std::nullopt for other names.
std::optional<WeightRef> weight_of(const std::string& name, std::string_view part) {
  const std::string end = "." + std::string(part);
  if (!name.ends_with(end)) return std::nullopt;
  try {
    return patch_tensors::parse_weight(name.substr(0, name.size() - end.size()));
  } catch (const std::invalid_argument&) {
    return std::nullopt;
  }
}

WeightChange read_change(TensorReader& reader, const WeightRef& weight, bool is_dense, std::int64_t outputs,
                         std::int64_t inputs) {
  if (is_dense)
    return WeightChange::dense(weight, reader.floats(patch_tensors::of(weight, "D"), {outputs, inputs}));
  at::Tensor A = reader.floats(patch_tensors::of(weight, "A"), {kAnySize, inputs});
  at::Tensor B = reader.floats(patch_tensors::of(weight, "B"), {outputs, A.size(0)});
  return WeightChange::low_rank(weight, std::move(A), std::move(B));
}

// In the order of weights. All have one shape: they play one part.
std::vector<WeightChange> read_changes(const TensorFile& file, TensorReader& reader) {
  std::set<WeightRef> low_rank, dense;
  for (const TensorInfo& info : file.tensors()) {
    if (const auto weight = weight_of(info.name, "A")) low_rank.insert(*weight);
    if (const auto weight = weight_of(info.name, "D")) dense.insert(*weight);
  }
  std::set<WeightRef> all = low_rank;
  all.insert(dense.begin(), dense.end());
  std::vector<WeightChange> changes;
  for (const WeightRef& weight : all) {
    const std::int64_t outputs = changes.empty() ? kAnySize : changes[0].outputs();
    const std::int64_t inputs = changes.empty() ? kAnySize : changes[0].inputs();
    changes.push_back(read_change(reader, weight, dense.contains(weight), outputs, inputs));
  }
  if (changes.empty())
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: no tensor {}", file.path().string(), quote("model.layers.<l>.mlp_down.A")));
  return changes;
}

const char* part_of(const WeightChange& change) {
  return change.is_dense() ? "D" : "A";
}

// The rows that a fact names are rows of A, at least one; a dense change has none.
void check_rows(const TensorReader& reader, const WeightChange& change,
                const std::vector<std::int64_t>& rows) {
  const std::int64_t count = change.is_dense() ? 0 : change.A.size(0);
  if (rows.empty() && !change.is_dense())
    reader.fail(patch_tensors::of(change.weight, "A"), "a fact that was edited there names no row of it");
  for (const std::int64_t row : rows)
    if (row >= count)
      reader.fail(patch_tensors::of(change.weight, part_of(change)),
                  fmt::format("a fact names row {} of the factor A, which has {} rows", row, count));
}

// Cuts what the facts of one weight hold out of the tensors that hold it for all of them.
void read_parts(TensorReader& reader, const WeightChange& change, std::vector<FactRecord>& facts) {
  std::vector<FactPart*> parts;
  std::int64_t keys = 0;
  for (FactRecord& fact : facts)
    for (FactPart& part : fact.parts)
      if (fact.is_edited() && part.weight == change.weight) {
        parts.push_back(&part);
        keys += part.answers.numel();  // its size alone is known yet
      }
  if (parts.empty()) return;  // check_changes refuses it
  const auto name = [&](const char* what) { return patch_tensors::of(change.weight, what); };
  const auto count = static_cast<std::int64_t>(parts.size());
  const at::Tensor all_keys = reader.floats(name("keys"), {keys, change.inputs()});
  const at::Tensor all_answers = reader.floats(name("answers"), {keys});
  const at::Tensor residuals = reader.floats(name("residuals"), {count, change.outputs()});
  const at::Tensor slacks = reader.has(name("slack")) ? reader.floats(name("slack"), {keys}) : at::Tensor();
  if (slacks.defined() && at::any(slacks < 0).item<bool>())
    reader.fail(name("slack"), "it holds a negative number");
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    FactPart& part = *parts[static_cast<std::size_t>(i)];
    const std::int64_t own = part.answers.numel();
    part.keys = all_keys.narrow(0, at, own).clone();
    part.answers = all_answers.narrow(0, at, own).clone();
    part.residual = residuals[i].clone();
    if (slacks.defined()) part.slack = slacks.narrow(0, at, own).clone();
    at += own;
    check_rows(reader, change, part.rows);
  }
}

// A change that no fact asked for could neither be dropped nor merged.
void check_changes(const Edit& edit, const TensorReader& reader) {
  for (const WeightChange& change : edit.changes)
    if (std::none_of(edit.facts.begin(), edit.facts.end(), [&](const FactRecord& fact) {
          return fact.is_edited() && fact.part_at(change.weight) != nullptr;
        }))
      reader.fail(patch_tensors::of(change.weight, part_of(change)),
                  "no fact of metadata \"emend.facts\" was edited there");
}

// Each change has its solve, in the same order, and each edited fact lies at weights that are changed.
void check_weights(const Edit& edit, const TensorReader& reader) {
  for (const WeightChange& change : edit.changes)
    if (edit.solve_of(change.weight) == nullptr)
      reader.fail(patch_tensors::of(change.weight, part_of(change)),
                  "metadata \"emend.solves\" does not say how it was solved");
  for (const WeightSolve& solve : edit.solves)
    if (edit.change_of(solve.weight) == nullptr)
      reader.fail(patch_tensors::of(solve.weight, "A"),
                  "it is missing, but metadata \"emend.solves\" names it");
  for (std::size_t i = 0; i < edit.solves.size(); ++i)
    if (edit.solves.size() != edit.changes.size() || edit.solves[i].weight != edit.changes[i].weight)
      reader.fail(patch_tensors::of(edit.solves[i].weight, "A"),
                  "metadata \"emend.solves\" must name each weight once, in the order of their blocks");
  for (const FactRecord& fact : edit.facts)
    for (const FactPart& part : fact.parts)
      if (fact.is_edited() && edit.change_of(part.weight) == nullptr)
        reader.fail(patch_tensors::of(part.weight, "A"),
                    fmt::format("it is missing, but {} was edited at layer {}", quote(fact.request.id),
                                part.weight.block));
}

// A newer format is refused by its number, also if its tensors are of types that this emend does not know.
std::unique_ptr<TensorFile> open_tensors(const std::filesystem::path& file) {
  try {
    return open_safetensors(file);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kFormat)
      refuse_newer_format(safetensors_metadata(MappedFile(file).bytes(), file), file.string());
    throw;
  }
}

// Other files that are taken for patches are named.
std::unique_ptr<TensorFile> open_patch(const std::filesystem::path& file) {
  std::error_code failed;
  const char* const what = "no patch of emend: an edit writes patches, as safetensors files";
  if (std::filesystem::is_regular_file(file, failed)) {
    std::array<char, 4> begin{};
    std::ifstream(file, std::ios::binary).read(begin.data(), begin.size());
    if (std::string_view(begin.data(), begin.size()) == "GGUF")
      throw Error(ErrorKind::kFormat, fmt::format("{}: this is a GGUF file, {}", file.string(), what));
  }
  std::unique_ptr<TensorFile> tensors = open_tensors(file);
  const auto& all = tensors->tensors();
  const bool lora = std::any_of(all.begin(), all.end(), [](const TensorInfo& tensor) {
    return tensor.name.find(".lora_A.") != std::string::npos;
  });
  if (lora)
    throw Error(ErrorKind::kFormat, fmt::format("{}: this is an adapter of PEFT, {}", file.string(), what));
  return tensors;
}

}  // namespace

PatchText read_patch(const TensorFile& file) {
  PatchText read = read_patch_metadata(file.metadata(), file.path().string());
  Patch& patch = read.patch;
  TensorReader reader(file);
  patch.edit.changes = read_changes(file, reader);
  if (read.format == 1) {
    read_format1_tensors(reader, patch.edit);
  } else {
    check_weights(patch.edit, reader);
    for (const WeightChange& change : patch.edit.changes) read_parts(reader, change, patch.edit.facts);
  }
  check_changes(patch.edit, reader);
  patch.edit.context_ids = reader.id_lists("contexts");
  patch.held_text = reader.id_lists("held_text");
  reader.refuse_the_rest();
  return read;
}

Patch load_patch(const std::filesystem::path& file) {
  const std::unique_ptr<TensorFile> tensors = open_patch(file);
  auto [format, patch] = read_patch(*tensors);
  require_digest(*tensors, format);
  return std::move(patch);
}

}  // namespace emend
