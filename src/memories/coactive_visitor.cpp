#include "memories/coactive_visitor.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "analysis/text_file.h"
#include "emend/error.h"
#include "emend/shard_group.h"

namespace emend {
namespace {

// Tokens of one product: sums of ones in float32 are exact far beyond that.
constexpr std::int64_t kTokensAtOnce = 4096;

}  // namespace

CoactiveVisitor::CoactiveVisitor(std::vector<ActivityRule> rules, Site site)
    : rules_(std::move(rules)), site_(site) {
  for (std::size_t i = 0; i < rules_.size();) {
    const int layer = rules_[i].cell.layer;
    std::vector<std::int64_t> index;
    std::vector<float> sign, threshold;
    for (; i < rules_.size() && rules_[i].cell.layer == layer; ++i) {
      index.push_back(rules_[i].cell.index);
      sign.push_back(rules_[i].sign);
      threshold.push_back(rules_[i].threshold);
    }
    layers_.push_back(layer);
    cells_.push_back({at::tensor(index, at::kLong), at::tensor(sign), at::tensor(threshold)});
  }
  block_.resize(layers_.size());
  const auto cells = static_cast<std::int64_t>(rules_.size());
  counts_ = at::zeros({cells, cells}, at::kDouble);
}

void CoactiveVisitor::visit(const TextPortion& portion) {
  const LayerCells& cells = cells_[portion.layer];
  const at::Tensor seen = portion.vectors[0]
                              .index_select(1, cells.index.to(portion.vectors[0].device()))
                              .to(at::kCPU, at::kFloat);
  block_[portion.layer].push_back((seen * cells.sign > cells.threshold).to(at::kByte));
}

bool CoactiveVisitor::end_block() {
  std::vector<at::Tensor> layers;
  for (std::vector<at::Tensor>& portions : block_) {
    if (portions.empty()) return true;  // a block without tokens
    layers.push_back(at::cat(portions));
    portions.clear();
  }
  const at::Tensor active = at::cat(layers, 1);  // [n, K]
  for (std::int64_t first = 0; first < active.size(0); first += kTokensAtOnce) {
    const at::Tensor some =
        active.narrow(0, first, std::min(kTokensAtOnce, active.size(0) - first)).to(at::kFloat);
    counts_ += at::matmul(some.t(), some);
  }
  tokens_ += active.size(0);
  return true;
}

void CoactiveVisitor::save(FileWriter& writer) const {
  std::vector<std::int64_t> layers, indices;
  std::vector<float> thresholds;
  for (const ActivityRule& rule : rules_) {
    layers.push_back(rule.cell.layer);
    indices.push_back(rule.cell.index);
    thresholds.push_back(rule.sign * rule.threshold);
  }
  writer.add("layers", layers);
  writer.add("cells", indices);
  writer.add("thresholds", at::tensor(thresholds));
  writer.add("tokens", std::vector<std::int64_t>{tokens_});
  writer.add("counts", counts_.clone());
}

void CoactiveVisitor::load(const TensorFile& file) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kFormat, file.path().string() + ": " + what);
  };
  const std::vector<std::int64_t> layers = read_numbers(file, "layers"), cells = read_numbers(file, "cells"),
                                  tokens = read_numbers(file, "tokens");
  const auto same = [&](const std::vector<std::int64_t>& found, auto field) {
    return found.size() == rules_.size() &&
           std::equal(found.begin(), found.end(), rules_.begin(),
                      [&](std::int64_t number, const ActivityRule& rule) { return number == field(rule); });
  };
  if (!same(layers, [](const ActivityRule& rule) { return rule.cell.layer; }) ||
      !same(cells, [](const ActivityRule& rule) { return rule.cell.index; }))
    refuse("the tensors layers and cells name other cells");
  if (tokens.size() != 1 || tokens[0] < 0) refuse("the tensor tokens must hold one number, 0 or more");
  const at::Tensor counts = stored_tensor(file, "counts", "F64");
  if (counts.sizes() != counts_.sizes())
    refuse(fmt::format("the tensor counts has {} numbers, {} are expected", counts.numel(), counts_.numel()));
  if (!counts.equal(counts.t()) || (counts < 0).logical_or(counts > tokens[0]).any().item<bool>())
    refuse("the tensor counts must be symmetric, with numbers from 0 to that of the tokens");
  counts_ += counts;
  tokens_ += tokens[0];
}

void CoactiveVisitor::reduce(ShardGroup& group) {
  group.sum_to_first(counts_.mutable_data_ptr<double>(), counts_.numel());
  auto tokens = static_cast<double>(tokens_);
  group.sum_to_first(&tokens, 1);
  tokens_ = static_cast<std::int64_t>(tokens);
}

}  // namespace emend
