#include "memories/kernel_check.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "base/random.h"
#include "emend/error.h"
#include "memories/kernel_sweep.h"

namespace emend {

namespace {

bool same(const TriggerTable& one, const TriggerTable& other) {
  return one.scores() == other.scores() && one.addresses() == other.addresses() &&
         one.all_extras() == other.all_extras();
}

bool near(const std::vector<ExactSum>& one, const std::vector<ExactSum>& other) {
  constexpr double kShare = 1e-5;
  for (std::size_t i = 0; i < one.size(); ++i)
    if (!(std::abs(one[i].value() - other[i].value()) <= kShare * (1 + std::abs(one[i].value()))))
      return false;
  return true;
}

// Rows of 3 to 12 tokens.
std::vector<TextToken> invented_tokens() {
  constexpr std::int64_t kRows = 30, kLeast = 3, kLengths = 10;
  std::vector<TextToken> tokens;
  for (std::int64_t row = 0; row < kRows; ++row)
    for (std::int64_t j = 0; j < kLeast + row % kLengths; ++j)
      tokens.push_back({static_cast<std::uint64_t>(row), 0, j, j, TextToken::kNone, tokens.size()});
  return tokens;
}

at::Tensor invented_scores(std::int64_t tokens, std::int64_t cells, std::uint64_t stream,
                           at::ScalarType type) {
  const Random random(1, stream);
  const at::Tensor scores = at::empty({tokens, cells}, at::kFloat);
  auto* const to = scores.data_ptr<float>();
  for (std::int64_t i = 0; i < scores.numel(); ++i)
    to[i] = static_cast<float>(random.normal(static_cast<std::uint64_t>(i)));
  return scores.to(type);
}

LayerState swept(const PortionScores& all, const StateShape& shape, const at::Device& device) {
  constexpr int kSampleBits = 1;
  LayerState state(shape);
  KernelSweep sweep(ScanDraw(1, 0, kSampleBits), false);
  const auto there = [&](const at::Tensor& scores) { return scores.defined() ? scores.to(device) : scores; };
  sweep.take({there(all.key), there(all.gate), there(all.up), all.tokens}, state);
  sweep.fetch(state);
  return state;
}

}  // namespace

std::string difference(const LayerState& one, const LayerState& other) {
  const CellCounts &a = one.counts, &b = other.counts;
  if (!same(one.high, other.high)) return "the table of the high end";
  if (!same(one.low, other.low)) return "the table of the low end";
  if (!same(one.random, other.random)) return "the random examples";
  if (!same(one.spread, other.spread)) return "the examples of octaves";
  if (a.histogram != b.histogram) return "the histogram";
  if (a.tokens != b.tokens || a.active != b.active || a.both != b.both || a.gate_only != b.gate_only ||
      a.up_only != b.up_only)
    return "the counts";
  if (a.least != b.least || a.most != b.most) return "the extremes";
  if (!near(a.sum, b.sum)) return "the sums";
  if (!near(a.squares, b.squares)) return "the sums of squares";
  return "";
}

std::string kernel_fault(const at::Device& device, at::ScalarType type) {
  const std::vector<TextToken> tokens = invented_tokens();
  const auto count = static_cast<std::int64_t>(tokens.size());
  for (const bool gated : {false, true})
    for (const std::int64_t cells : {70, 71}) {  // those that are read in pairs, and others
      StateShape shape;
      shape.cells = cells;
      shape.gated = gated;
      shape.top = 5;
      shape.random = 4;
      const at::Tensor key = invented_scores(count, cells, 0, type),
                       gate = gated ? invented_scores(count, cells, 1, type) : at::Tensor(),
                       up = gated ? invented_scores(count, cells, 2, type) : at::Tensor();
      const PortionScores all{key, gate, up, tokens};
      try {
        const std::string found = difference(swept(all, shape, at::kCPU), swept(all, shape, device));
        if (!found.empty())
          return fmt::format("{} of a test sweep on {} is not that of the CPU", found, device.str());
      } catch (const Error& error) {
        return fmt::format("a test sweep on {} failed: {}", device.str(), error.what());
      }
    }
  return "";
}

}  // namespace emend
