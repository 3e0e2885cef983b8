#include "pipeline/rounded_weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/nearest.h"
#include "base/strings.h"
#include "delivery/stored_weight.h"
#include "emend/error.h"
#include "io/element_types.h"

namespace emend {
namespace {

bool can_be_tried(const ElementType& type) {
  return type.write != nullptr && type.name != "F64" && type.name != "F32" &&
         (type.is_float ? type.block_bytes == 2 : type.format != nullptr);
}

// What llama-quantize takes where the rows of a matrix are no whole number of blocks (b10605).
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNarrower = {{{"Q2_K", "Q4_0"},
                                                                                     {"Q3_K", "Q4_0"},
                                                                                     {"Q4_K", "Q5_0"},
                                                                                     {"Q5_K", "Q5_1"},
                                                                                     {"Q6_K", "Q8_0"},
                                                                                     {"IQ4_XS", "IQ4_NL"}}};

}  // namespace

const ElementType& type_named(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  if (name == "BFLOAT16") name = "BF16";
  if (name == "FLOAT16") name = "F16";
  const ElementType* const type = find_element_type(name);
  if (type != nullptr && can_be_tried(*type)) return *type;
  std::vector<std::string> known;
  for (const ElementType& one : element_types())
    if (can_be_tried(one)) known.emplace_back(one.name);
  throw Error(ErrorKind::kUsage, fmt::format("types: {} is no type that an edit can be written in{}",
                                             quote(name), did_you_mean(name, known)));
}

const ElementType& type_of_rows(const ElementType& wanted, std::int64_t row) {
  const auto fits = [row](const ElementType& type) { return row % type.block_elements == 0; };
  if (fits(wanted)) return wanted;
  for (const auto& [name, other] : kNarrower)
    if (name == wanted.name && fits(element_type(other))) return element_type(other);
  throw Error(ErrorKind::kConfig,
              fmt::format("types: rows of {} elements are no whole number of {} blocks", row, wanted.name));
}

at::Tensor rounded(const at::Tensor& W, const ElementType& wanted) {
  const at::Tensor plain = W.to(at::kCPU, at::kFloat).contiguous();
  const ElementType& type = type_of_rows(wanted, plain.size(1));
  return decode_weight(encode_weight(plain, type, false), type, plain.size(0), plain.size(1), false);
}

std::string stand_ins(const Model& model, const ElementType& type, bool everywhere) {
  std::set<std::string> names;
  for (const BlockWeights& block : model.weights().blocks)
    for (const at::Tensor& W : {block.mlp_down, block.qkv, block.attention_out, block.mlp_in})
      if (everywhere || W.is_same(block.mlp_down)) names.emplace(type_of_rows(type, W.size(1)).name);
  names.erase(std::string(type.name));
  return join({names.begin(), names.end()});
}

ScopedWeights::ScopedWeights(Model& model, const std::map<WeightRef, at::Tensor>& weights) : model_(model) {
  // All are made before the first is put in place: if one throws, no destructor would put the others back.
  std::vector<std::pair<WeightRef, at::Tensor>> made;
  for (const auto& [weight, W] : weights) {
    const at::Tensor before = std::as_const(model).weight(weight);
    if (W.sizes() != before.sizes())
      throw Error(ErrorKind::kModel, fmt::format("a matrix of {} x {} in the place of one of {} x {}",
                                                 W.size(0), W.size(1), before.size(0), before.size(1)));
    made.emplace_back(weight, W.to(before.options()));
  }
  saved_.reserve(made.size());
  for (const auto& [weight, W] : made) saved_.emplace_back(weight, model.exchange_weight(weight, W));
}

ScopedWeights::~ScopedWeights() {
  for (auto& [weight, W] : saved_) model_.exchange_weight(weight, W);
}

RoundedBlocks::RoundedBlocks(const Model& model, const ElementType& type) {
  try {
    for (const BlockWeights& block : model.weights().blocks)
      for (const at::Tensor& W : {block.qkv, block.attention_out, block.mlp_in, block.mlp_down}) {
        const at::Tensor other = rounded(W, type);
        saved_.emplace_back(W, W.clone());
        at::Tensor(W).copy_(other);
      }
  } catch (...) {
    put_back();
    throw;
  }
}

RoundedBlocks::~RoundedBlocks() {
  put_back();
}

void RoundedBlocks::put_back() {
  for (auto& [W, before] : saved_) W.copy_(before);
}

}  // namespace emend
