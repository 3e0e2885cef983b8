// Cells switched off at their own triggers: against a pass over each prefix alone, and a planted cell.
#include "emend/memory_effects.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/expect_error.h"
#include "emend/memory_view.h"
#include "memories/scans.h"
#include "memories/trigger_rows.h"
#include "model/layers.h"
#include "reports/effects_report.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class TriggerEffects : public ::testing::TestWithParam<std::string> {
 protected:
  TriggerEffects() {
    ScanOptions scan = test::small_scan(model_);
    scan.layers = {0, 4, model_.config().layers - 1};
    scan.tokens = 900;
    test::scan_into(model_, scan, folder_ / "index");
    options_.index = folder_ / "index";
    options_.cells = 6;
    options_.triggers = 2;
  }

  const Model model_ = test::load_world(GetParam());
  const test::TempFolder folder_;
  EffectOptions options_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, TriggerEffects, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// Log probabilities and logits at the end of one row, with a cell off at its last token or not.
std::pair<at::Tensor, at::Tensor> plain_end(const Model& model, const TokenIds& ids, const MemoryId* off) {
  PassInput input;
  input.ids = {ids};
  const auto last = static_cast<std::int64_t>(ids.size()) - 1;
  input.logit_tokens = {last};
  at::Tensor factors = at::ones({1, model.config().d_ff});
  if (off != nullptr) {
    factors[0][off->index] = 0;
    input.interventions = {
        {Site::kKey, off->layer, Intervention::Kind::kScale, test::index_of({last}), factors}};
  }
  const at::Tensor logits = model.forward(input).logits[0].to(at::kDouble);
  return {logits.log_softmax(0), logits};
}

TEST_P(TriggerEffects, EqualAPassOverEachPrefixAlone) {
  const c10::NoGradGuard no_grad;
  const EffectOutcome found = measure_effects(model_, options_);
  ASSERT_THAT(found.layers, SizeIs(3));
  const MemoryIndex index(options_.index);
  const TriggerRows rows(index);
  for (const CellEffect& cell : found.cells) {
    const MemoryRecord record = index.cell(cell.cell);
    double effect = 0, logit = 0, kl = 0, m = 0;
    int run = 0;
    for (const MemoryExample& example : cell.high ? record.high : record.low) {
      if (run == options_.triggers) break;
      if (!example.next_id) continue;
      const TokenIds ids = rows.prefix_of(example, options_.longest);
      ASSERT_LE(ids.size(), 128U) << "the whole prefix, so that its coefficient is the scan's";
      const auto [before, logits] = plain_end(model_, ids, nullptr);
      const auto [after, logits_after] = plain_end(model_, ids, &cell.cell);
      effect += (before[*example.next_id] - after[*example.next_id]).item<double>();
      logit += (logits[*example.next_id] - logits_after[*example.next_id]).item<double>();
      kl += (before.exp() * (before - after)).sum().item<double>();
      m += example.coefficient;
      if (run++ == 0) {
        EXPECT_NEAR(cell.probability, before[*example.next_id].exp().item<double>(), 1e-5);
      }
    }
    ASSERT_EQ(cell.triggers, run);
    EXPECT_NEAR(cell.effect, effect / run, 2e-5 + 1e-3 * std::abs(effect / run)) << to_string(cell.cell);
    EXPECT_NEAR(cell.logit, logit / run, 1e-4 + 1e-3 * std::abs(logit / run)) << to_string(cell.cell);
    EXPECT_NEAR(cell.kl, kl / run, 2e-5 + 1e-3 * kl / run);
    EXPECT_NEAR(cell.coefficient, m / run, 1e-4 * std::max(1.0, std::abs(m / run)));
  }
  for (const LayerEffects& layer : found.layers) {
    double sum = 0, cells = 0;
    for (const CellEffect& cell : found.cells)
      if (cell.cell.layer == layer.layer) sum += cell.effect, cells += 1;
    EXPECT_EQ(layer.cells, cells);
    EXPECT_NEAR(layer.effect, sum / cells, 1e-9);
    EXPECT_LE(layer.low, layer.effect);
    EXPECT_GE(layer.high, layer.effect);
  }
}

// Behind the last layer only the final norm is left: with sigma its size and k what its bias adds to the
// logit, the logit without the cell is (logit - k - direct) sigma / sigma' + k.
TEST_P(TriggerEffects, InTheLastLayerTheTotalEffectIsTheDirectOneWithinTheNorm) {
  const c10::NoGradGuard no_grad;
  const int last = model_.config().layers - 1;
  options_.layers = {last};
  options_.cells = 12;
  options_.triggers = 1;
  const EffectOutcome found = measure_effects(model_, options_);
  ASSERT_GE(found.cells.size(), 10U);
  const MemoryIndex index(options_.index);
  const TriggerRows rows(index);
  for (const CellEffect& cell : found.cells) {
    const MemoryRecord record = index.cell(cell.cell);
    const auto& own = cell.high ? record.high : record.low;
    const auto example =
        std::find_if(own.begin(), own.end(), [](const MemoryExample& one) { return one.next_id; });
    const TokenIds ids = rows.prefix_of(*example, options_.longest);
    const auto end = static_cast<std::int64_t>(ids.size()) - 1;
    const at::Tensor stream = test::plain_vectors(model_, ids, Site::kBlockOutput, last)[end],
                     key = test::plain_vectors(model_, ids, Site::kKey, last)[end],
                     value = FfnView(model_, last).value(cell.cell.index);
    const at::Tensor without = stream - key[cell.cell.index] * value;
    const auto size = [&](const at::Tensor& x) {
      return norm_size(x.unsqueeze(0), model_.config().block).item<double>();
    };
    const ModelWeights& weights = model_.weights();
    const double k = weights.final_norm_bias.defined()
                         ? at::dot(weights.head[*example->next_id], weights.final_norm_bias).item<double>()
                         : 0;
    const double logit = plain_end(model_, ids, nullptr).second[*example->next_id].item<double>();
    EXPECT_NEAR(logit - cell.logit, (logit - k - cell.direct) * size(stream) / size(without) + k,
                1e-3 * std::max(1.0, std::abs(logit)))
        << to_string(cell.cell);
  }
}

TEST_P(TriggerEffects, BudgetsChangeNothing) {
  const EffectOutcome whole = measure_effects(model_, options_);
  options_.token_budget = 32;
  const EffectOutcome small = measure_effects(model_, options_);
  ASSERT_EQ(whole.cells.size(), small.cells.size());
  for (std::size_t i = 0; i < whole.cells.size(); ++i) {
    EXPECT_EQ(whole.cells[i].cell, small.cells[i].cell);
    EXPECT_NEAR(whole.cells[i].effect, small.cells[i].effect, 2e-5 + 1e-4 * std::abs(whole.cells[i].effect));
  }
  const std::string text = effects_text(whole, 160);
  EXPECT_THAT(text, HasSubstr(to_string(whole.cells[0].cell)));
  EXPECT_EQ(effects_json(whole, options_, model_).at("layers").size(), 3U);
  EXPECT_THAT(effects_page(whole, options_, model_), HasSubstr("What cells do"));
}

// The only cell that writes anything writes the token that follows its best trigger.
TEST_P(TriggerEffects, APlantedCellPushesTheTokenThatFollows) {
  const c10::NoGradGuard no_grad;
  const int last = model_.config().layers - 1;
  const MemoryIndex index(options_.index);
  const MemoryRecord record = index.cell({last, 3});
  const bool high = std::abs(record.most) >= std::abs(record.least);
  const auto& own = high ? record.high : record.low;
  const auto trigger =
      std::find_if(own.begin(), own.end(), [](const MemoryExample& example) { return example.next_id; });
  ASSERT_NE(trigger, own.end());
  // The model is another one now, but its keys are those of the index.
  const Model model = test::load_world(GetParam());
  at::Tensor down = model.weights().blocks[static_cast<std::size_t>(last)].mlp_down;
  down.zero_();
  const at::Tensor row = model.weights().head[*trigger->next_id];
  down.select(1, 3).copy_(row * ((high ? 2.0 : -2.0) / row.norm()));
  const test::TempFolder folder;
  ScanOptions scan = test::small_scan(model);
  scan.layers = {last};
  scan.tokens = 900;
  test::scan_into(model, scan, folder / "index");
  EffectOptions options;
  options.index = folder / "index";
  options.cells = 0;
  const EffectOutcome found = measure_effects(model, options);
  const auto strongest =
      std::max_element(found.cells.begin(), found.cells.end(),
                       [](const CellEffect& a, const CellEffect& b) { return a.kl < b.kl; });
  EXPECT_EQ(strongest->cell, (MemoryId{last, 3}));
  EXPECT_GT(strongest->effect, 0.01);
  EXPECT_GT(strongest->direct, 0.01);
  for (const CellEffect& cell : found.cells) {
    if (cell.cell.index == 3) continue;
    EXPECT_NEAR(cell.effect, 0, 1e-5) << to_string(cell.cell) << " writes nothing";
  }
}

TEST_P(TriggerEffects, RefuseWhatCannotBe) {
  const auto refused = [&](ErrorKind kind, auto change, const char* what) {
    EffectOptions options = options_;
    change(options);
    EXPECT_THAT(test::error_of(kind, [&] { measure_effects(model_, options); }), HasSubstr(what));
  };
  refused(
      ErrorKind::kUsage, [](EffectOptions& o) { o.triggers = 0; }, "triggers");
  refused(
      ErrorKind::kUsage, [](EffectOptions& o) { o.cells = -1; }, "cells");
  refused(
      ErrorKind::kUsage, [](EffectOptions& o) { o.longest = 3; }, "longest");
  refused(
      ErrorKind::kConfig, [](EffectOptions& o) { o.layers = {1}; }, "layer");
  const Model other = test::tiny_model("llama", 3);
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { measure_effects(other, options_); }),
              HasSubstr("longest"))
      << "it reads 40 tokens at most";
  options_.longest = 32;
  EXPECT_THAT(test::error_of(ErrorKind::kModel, [&] { measure_effects(other, options_); }),
              HasSubstr("another model"));
}

}  // namespace
}  // namespace emend
