// W' = round(W + sum B A), and what of the change arrives.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/nearest.h"
#include "base/strings.h"
#include "delivery/checkpoint_files.h"
#include "delivery/own_type.h"
#include "delivery/stored_weight.h"
#include "emend/error.h"
#include "emend/write_back.h"
#include "io/block_format.h"
#include "io/element_types.h"
#include "io/file_rewrite.h"
#include "io/imatrix.h"
#include "linalg/response_solver.h"

namespace emend {
namespace {

// float64 stays where a file has it, but nobody asks for it.
bool can_be_chosen(const ElementType& type, bool gguf) {
  return type.write != nullptr && type.name != "F64" && (gguf ? type.ggml_id >= 0 : type.in_safetensors);
}

std::vector<std::string> choices(bool gguf) {
  std::vector<std::string> names = {"own"};
  for (const ElementType& type : element_types())
    if (can_be_chosen(type, gguf)) names.emplace_back(type.name);
  return names;
}

[[noreturn]] void refuse_to_write(const TensorInfo& tensor) {
  throw Error(ErrorKind::kConfig, fmt::format("type: tensor {} is stored as {}, which emend reads but does "
                                              "not write; choose another type, such as F16",
                                              quote(tensor.name), tensor.type->name));
}

// Of a type without a writer the codes change, and the scales stay.
const ElementType& own_type(const TensorInfo& tensor) {
  if (tensor.type->write == nullptr && tensor.type->format == nullptr) refuse_to_write(tensor);
  return *tensor.type;
}

std::string upper_case(std::string name) {
  for (char& c : name)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return name;
}

const ElementType& chosen_type(const std::string& wanted, const TensorFile& file, const TensorInfo& tensor) {
  const bool gguf = file.format() == TensorFile::Format::kGguf;
  if (wanted == "own") return own_type(tensor);
  if (wanted.empty()) return gguf && tensor.type->name != "F32" ? element_type("F16") : own_type(tensor);
  const ElementType* const type = find_element_type(upper_case(wanted));
  if (type != nullptr && can_be_chosen(*type, gguf)) return *type;
  throw Error(ErrorKind::kConfig, fmt::format("type: {} cannot store edited weights as {}{}",
                                              gguf ? "a GGUF file" : "a safetensors checkpoint",
                                              quote(wanted), did_you_mean(wanted, choices(gguf))));
}

void require_whole_blocks(const TensorInfo& tensor, const ElementType& type) {
  const auto row = static_cast<std::size_t>(tensor.shape.back());
  const std::size_t block = type.block_elements;
  if (row % block != 0)
    throw Error(ErrorKind::kConfig,
                fmt::format("type: tensor {} has rows of {} elements, no whole number of {} blocks of {}",
                            quote(tensor.name), row, type.name, block));
}

double inner_product(const at::Tensor& a, const at::Tensor& b) {
  return at::dot(a.flatten(), b.flatten()).item<double>();
}

// numerator / denominator; 0 / 0 is `if_both_zero`.
double ratio(double numerator, double denominator, double if_both_zero) {
  return numerator == 0 && denominator == 0 ? if_both_zero : numerator / denominator;
}

// One weight on its way: float64, [out, in]. `delta` is what was wanted, `moved` what will have arrived.
struct WeightWrite {
  at::Tensor W, delta, moved;
};

// The sum in the order of the patches, each change in the precision of the stored weight: the same weights as
// under a ScopedEdit in float32.
at::Tensor add_changes(at::Tensor W, const std::vector<Patch>& patches, const WeightRef& weight) {
  for (const Patch& patch : patches)
    for (const WeightChange& change : patch.edit.changes)
      if (change.weight == weight) W = W + change.delta(W.options());
  return W;
}

// The largest magnitude that a type can mean with a scale that is a half; infinity for the others.
double largest_value(const ElementType& type) {
  constexpr double kLargestHalf = 65504;
  if (type.name == "F16") return kLargestHalf;
  const BlockFormat* const format = type.format;
  if (format == nullptr || format->group_scales == GroupScales::kPower) return INFINITY;
  double level = 0;
  for (unsigned code = 0; code < format->code_count; ++code)
    level = std::max(level, std::abs(double{format->level(static_cast<std::uint8_t>(code))}));
  const int scale = std::max({1, std::abs(format->least_code), format->most_code});
  return kLargestHalf * scale * (level + (format->has_minimum() ? 1 : 0));
}

// "row 3, block 0": where the first element of `bad` lies in the stored tensor.
std::string place_of(const at::Tensor& bad, const ElementType& type, bool transposed) {
  const at::Tensor stored = transposed ? bad.t() : bad;
  const at::Tensor first = stored.nonzero()[0];
  const auto column = first[1].item<std::int64_t>();
  return type.block_elements == 1
             ? fmt::format("row {}, column {}", first[0].item<std::int64_t>(), column)
             : fmt::format("row {}, block {}", first[0].item<std::int64_t>(), column / type.block_elements);
}

// A scale beyond the largest half would be stored as infinity, or cut off there.
void require_holds_values(const PlannedTensor& planned, const ElementType& type, const at::Tensor& wanted,
                          const at::Tensor& written, bool transposed) {
  const at::Tensor bad = at::isfinite(written).logical_not().logical_or(wanted.abs() > largest_value(type));
  if (!bad.any().item<bool>()) return;
  const double largest = at::nan_to_num(wanted.abs(), INFINITY).max().item<double>();
  throw Error(ErrorKind::kModel,
              fmt::format("{}: tensor {}: {} cannot hold the edited weights (the largest is {:f}, the first "
                          "that does not fit is in {}); choose another type, such as F32",
                          planned.file.string(), quote(planned.name), planned.new_type, largest,
                          place_of(bad, type, transposed)));
}

// Everything that plans of one write share.
struct WriteInput {
  const std::vector<Patch>& patches;
  const std::string& type;
  const LayerMoments& moments;
  const std::optional<Imatrix>& imatrix;
};

// The keys [n, F] float64 at which edited facts want an answer from this weight; n may be 0.
at::Tensor keys_of(const std::vector<Patch>& patches, const WeightRef& weight, std::int64_t size) {
  std::vector<at::Tensor> keys = {at::empty({0, size}, at::kDouble)};
  for (const Patch& patch : patches)
    for (const FactRecord& fact : patch.edit.facts)
      for (const FactPart& part : fact.parts)
        if (fact.is_edited() && part.weight == weight)
          keys.push_back(part.keys.to(at::kDouble).index_select(0, part.answers.nonzero().flatten()));
  return at::cat(keys).contiguous();
}

// Whether the bytes are levels in blocks along the rows [out, in] before and after.
bool keeps_grid(const TensorInfo& info, const ElementType& chosen, const RoleEntry& entry) {
  return &chosen == info.type && chosen.format != nullptr && !entry.stored_transposed;
}

// What the rounding of this weight is measured by: C, its diagonal, or undefined for the identity.
at::Tensor moment_of(const WriteInput& input, const WeightRef& weight, const std::string& tensor,
                     std::int64_t size) {
  const auto found = input.moments.find(weight.block);
  if (weight.role == Role::kMlpDown && found != input.moments.end())
    return found->second.to(at::kCPU, at::kDouble).contiguous();
  if (!input.imatrix) return {};
  return at::tensor(imatrix_diagonal(*input.imatrix, tensor, size), at::kDouble);
}

OwnTypeWeight own_type_weight(const TensorFile& file, const TensorInfo& info, const WriteInput& input,
                              const WeightRef& weight, const at::Tensor& delta) {
  OwnTypeWeight own{info.type, file.bytes(info), delta.contiguous(), {}, {}};
  own.keys = keys_of(input.patches, weight, delta.size(1));
  own.C = moment_of(input, weight, info.name, delta.size(1));
  return own;
}

PlannedTensor plan_tensor(const Model& base, const TensorFile& file, const WriteInput& input,
                          const WeightRef& weight, WeightWrite& write) {
  const RoleEntry& entry = stored_entry(base, weight);
  const TensorInfo* const info = file.find(entry.tensor);
  if (info == nullptr)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the tensor {} is gone: the file changed while it was in use",
                            file.path().string(), quote(entry.tensor)));
  require_unchanged(file, *info, entry.digest);
  const ElementType& chosen = chosen_type(input.type, file, *info);
  require_whole_blocks(*info, chosen);
  PlannedTensor planned;
  planned.weight = weight;
  planned.name = info->name;
  planned.old_type = info->type->name;
  planned.new_type = chosen.name;
  planned.file = info->file;
  planned.old_digest = entry.digest;
  const at::Tensor W = read_weight(file, *info, entry.stored_transposed);
  const at::Tensor wanted = add_changes(W, input.patches, weight);
  write.W = W.to(at::kDouble);
  write.delta = add_changes(at::zeros_like(write.W), input.patches, weight);
  const bool own_grid = keeps_grid(*info, chosen, entry);
  if (!own_grid && chosen.write == nullptr) refuse_to_write(*info);
  OwnTypeWeight own;
  if (own_grid) own = own_type_weight(file, *info, input, weight, write.delta);
  planned.bytes = own_grid ? round_to_own_type(own) : encode_weight(wanted, chosen, entry.stored_transposed);
  const at::Tensor written =
      decode_weight(planned.bytes, chosen, W.size(0), W.size(1), entry.stored_transposed);
  require_holds_values(planned, chosen, wanted, written, entry.stored_transposed);
  write.moved = written.to(at::kDouble).sub_(write.W);
  planned.share = ratio(inner_product(write.moved, write.delta), inner_product(write.delta, write.delta), 1);
  planned.error = ratio(norm_of(write.moved - write.delta), norm_of(write.delta), 0);
  if (own_grid) planned.rounding = report_rounding(own, planned.bytes, write.moved);
  return planned;
}

RealisedFact measure_fact(const FactRecord& fact, const FactPart& part, std::size_t patch,
                          const WeightWrite& write) {
  RealisedFact result{patch, fact.request.id, part.weight, 0, 0, INFINITY, 0, 0};
  for (std::int64_t j = 0; j < part.keys.size(0); ++j) {
    if (part.answers[j].item<float>() == 0) continue;
    const at::Tensor key = part.keys[j].to(at::kDouble);
    const at::Tensor wanted = at::mv(write.delta, key);
    const at::Tensor arrived = at::mv(write.moved, key);
    const at::Tensor value = at::mv(write.W, key) + wanted;
    const double size = norm_of(wanted);
    const double share = ratio(inner_product(arrived, wanted), size * size, 1);
    if (share < result.share) {
      result.share = share;
      result.wanted = size;
      result.arrived = norm_of(arrived);
    }
    result.error = std::max(result.error, ratio(norm_of(arrived - wanted), size, 0));
    result.value_error = std::max(result.value_error, ratio(norm_of(arrived - wanted), norm_of(value), 0));
  }
  return result;
}

// By patch, fact and part: the order of a plan.
using FactPlaces = std::map<std::tuple<std::size_t, std::size_t, std::size_t>, RealisedFact>;

// The facts of this weight, which need not be kept after them.
void measure_facts_at(const WeightRef& weight, const std::vector<Patch>& patches, const WeightWrite& write,
                      FactPlaces& facts) {
  for (std::size_t p = 0; p < patches.size(); ++p)
    for (std::size_t f = 0; f < patches[p].edit.facts.size(); ++f) {
      const FactRecord& fact = patches[p].edit.facts[f];
      for (std::size_t i = 0; i < fact.parts.size(); ++i)
        if (fact.is_edited() && fact.parts[i].weight == weight)
          facts.emplace(std::tuple(p, f, i), measure_fact(fact, fact.parts[i], p, write));
    }
}

std::string percent(double share) {
  return fmt::format("{} %", static_cast<int>(std::lround(100 * std::clamp(share, -10.0, 10.0))));
}

}  // namespace

WritePlan plan_write(const Model& base, const std::vector<Patch>& patches, const std::string& type,
                     const RoundingWeights& rounding) {
  const c10::NoGradGuard no_grad;
  std::set<WeightRef> weights;
  for (std::size_t p = 0; p < patches.size(); ++p)
    for (const WeightChange& change : patches[p].edit.changes) {
      require_fit(change, base.config(), fmt::format("patch {}", p + 1));
      weights.insert(change.weight);
    }
  const std::unique_ptr<TensorFile> file = open_checkpoint(base.path());
  std::optional<Imatrix> imatrix;
  if (!rounding.imatrix.empty()) {
    imatrix = read_imatrix(rounding.imatrix);
    require_imatrix_of(*imatrix, base.config().layers);
  }
  WritePlan plan;
  plan.base = base.path();
  FactPlaces facts;
  for (const WeightRef& weight : weights) {
    WeightWrite write;
    plan.tensors.push_back(
        plan_tensor(base, *file, {patches, type, rounding.moments, imatrix}, weight, write));
    measure_facts_at(weight, patches, write, facts);
  }
  for (auto& [place, fact] : facts) plan.facts.push_back(std::move(fact));
  return plan;
}

void require_holds(const WritePlan& plan) {
  for (const RealisedFact& fact : plan.facts) {
    if (fact.share >= kLeastShare && fact.error <= kMostError) continue;
    const auto tensor = std::find_if(plan.tensors.begin(), plan.tensors.end(),
                                     [&](const PlannedTensor& t) { return t.weight == fact.weight; });
    throw Error(ErrorKind::kModel,
                fmt::format("{}: tensor {}: {} does not hold the edit {}: {} of its update would arrive, "
                            "with rounding of {} of it; choose another type, such as F16 or F32, or force it",
                            tensor->file.string(), quote(tensor->name), tensor->new_type, quote(fact.id),
                            percent(fact.share), percent(fact.error)));
  }
}

}  // namespace emend
