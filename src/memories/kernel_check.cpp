#include "memories/kernel_check.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>
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

// On the device.
void take_there(KernelSweep& sweep, const PortionScores& all, const LayerState& state,
                const at::Device& device) {
  const auto there = [&](const at::Tensor& scores) { return scores.defined() ? scores.to(device) : scores; };
  sweep.take({there(all.key), there(all.gate), there(all.up), all.tokens}, state);
}

LayerState swept(const PortionScores& all, const StateShape& shape, const at::Device& device) {
  constexpr int kSampleBits = 1;
  LayerState state(shape);
  KernelSweep sweep(ScanDraw(1, 0, kSampleBits), false);
  take_there(sweep, all, state, device);
  sweep.fetch(state);
  return state;
}

// Is one coefficient that is no number found, and none before there is one?
bool finds_bad(const PortionScores& all, const StateShape& shape, const at::Device& device) {
  constexpr int kToken = 5, kCell = 3;
  const LayerState state(shape);
  KernelSweep sweep(ScanDraw(1, 0), false);
  take_there(sweep, all, state, device);
  if (sweep.find_bad()) return false;
  PortionScores broken = all;
  broken.key = all.key.clone();
  broken.key[kToken][kCell] = std::numeric_limits<float>::infinity();
  take_there(sweep, broken, state, device);
  const auto bad = sweep.find_bad();
  return bad && bad->address == all.tokens[kToken].address && bad->cell == kCell;
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
  // As in models: without a gate, with one, and with coefficients that are never negative.
  for (const auto& [gated, one_ended] :
       {std::pair(false, false), std::pair(true, false), std::pair(false, true)})
    for (const std::int64_t cells : {270, 271}) {  // those that are read in pairs, and others
      StateShape shape;
      shape.cells = cells;
      shape.gated = gated;
      shape.one_ended = one_ended;
      shape.top = 5;
      shape.random = 4;
      const at::Tensor drawn = invented_scores(count, cells, 0, type),
                       key = one_ended ? at::relu(drawn) : drawn,
                       gate = gated ? invented_scores(count, cells, 1, type) : at::Tensor(),
                       up = gated ? invented_scores(count, cells, 2, type) : at::Tensor();
      const PortionScores all{key, gate, up, tokens};
      try {
        const std::string found = difference(swept(all, shape, at::kCPU), swept(all, shape, device));
        if (!found.empty())
          return fmt::format("{} of a test sweep on {} is not that of the CPU", found, device.str());
        if (!finds_bad(all, shape, device))
          return fmt::format("a test sweep on {} does not tell which coefficient is no number", device.str());
      } catch (const Error& error) {
        return fmt::format("a test sweep on {} failed: {}", device.str(), error.what());
      } catch (const c10::Error& error) {
        return fmt::format("a test sweep on {} failed: {}", device.str(), error.what_without_backtrace());
      }
    }
  return "";
}

}  // namespace emend
