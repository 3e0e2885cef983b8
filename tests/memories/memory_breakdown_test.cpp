// Zero agreement broken down by stop words and short prefixes, where a planted cell makes the shares known.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "emend/memory_aggregate.h"
#include "memories/aggregate_visitor.h"
#include "memories/aggregates.h"
#include "memories/lens.h"
#include "memories/stop_words.h"
#include "memories/token_name.h"

namespace emend {
namespace {

// Ten positions of one layer by hand: 4 agree, 3 of them on a stop word and 1 behind fewer than 5 tokens; of
// the 6 others 2 are stop words and 3 short.
TEST(Breakdown, CountsByHand) {
  constexpr std::int64_t kStop = 7, kOther = 8;
  std::vector<ExampleLayer> examples(10);
  std::vector<ExamplePlace> places(10);
  for (std::size_t i = 0; i < 10; ++i) {
    examples[i].agreeing = i < 4 ? 2 : 0;
    examples[i].agreeing_share = i < 4 ? 0.25 : 0;
    examples[i].ffn_top = i < 3 || i == 4 || i == 5 ? kStop : kOther;
    places[i] = {i == 0 || (i >= 7) ? 3 : 30, 0};
  }
  AggregateOutcome outcome;
  summarize_aggregate(
      {examples}, places, {0}, 16, 100, [](std::int64_t id) { return id == kStop; }, outcome);
  const LayerAggregate& layer = outcome.layers.at(0);
  EXPECT_NEAR(layer.zero_agreement.share, 0.6, 1e-12);
  EXPECT_NEAR(layer.agreeing_cells, 2, 1e-12);
  EXPECT_NEAR(layer.agreeing_share, 0.25, 1e-12);
  EXPECT_NEAR(layer.stop_words_agreeing, 3.0 / 4, 1e-12);
  EXPECT_NEAR(layer.stop_words_zero, 2.0 / 6, 1e-12);
  EXPECT_NEAR(layer.short_agreeing, 1.0 / 4, 1e-12);
  EXPECT_NEAR(layer.short_zero, 3.0 / 6, 1e-12);
}

// The only cell of layer 4 that writes anything writes " the" where its coefficient is positive, and the
// token at the other end of that direction where it is not: it agrees exactly where it is active.
TEST(Breakdown, APlantedStopWordGivesTheShares) {
  const c10::NoGradGuard no_grad;
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model model = test::load_world(shape);
    constexpr int kLayer = 4;
    constexpr std::int64_t kCell = 11;
    const Lens lens(model, {});
    std::int64_t the = -1;
    for (std::int64_t id = 0; id < model.config().vocab && the < 0; ++id)
      if (token_name(model, id) == " the") the = id;
    ASSERT_GE(the, 0) << shape;
    at::Tensor down = model.weights().block(kLayer).mlp_down;
    down.zero_();
    if (model.weights().block(kLayer).mlp_down_bias.defined())
      at::Tensor(model.weights().block(kLayer).mlp_down_bias).zero_();
    const at::Tensor row = lens.token_row(the);
    down.select(1, kCell).copy_(row / row.norm());
    const at::Tensor logits = lens.logits(down.select(1, kCell).to(at::kFloat).unsqueeze(0), kLayer)[0];
    ASSERT_EQ(logits.argmax().item<std::int64_t>(), the) << shape;
    const auto other = logits.argmin().item<std::int64_t>();
    const auto is_stop = [&](std::int64_t id) { return is_stop_word(folded_word(token_name(model, id))); };
    ASSERT_TRUE(is_stop(the));

    AggregateOptions options = test::small_aggregate(model);
    options.tokens = 600;
    options.examples = 200;
    options.coalitions = 0;
    options.layers = {kLayer};
    const LayerAggregate found = run_aggregate(model, options).layers.at(0);
    ScanOptions scan = test::small_scan(model);
    scan.tokens = 600;
    const auto text = test::text_of(model, scan);
    const std::vector<PlacedRow> rows = text->rows();
    double agree = 0, all = 0, stop_agree = 0, stop_zero = 0, short_agree = 0, short_zero = 0;
    const auto addresses = draw_examples(rows, 200, options.seed);
    for (const PlacedRow& one : rows) {
      const TokenIds ids(one.ids.begin(), one.ids.end());
      const at::Tensor score = test::plain_vectors(model, ids, Site::kGate, kLayer).select(1, kCell),
                       key = test::plain_vectors(model, ids, Site::kKey, kLayer).select(1, kCell);
      for (std::int64_t t = 1; t < score.size(0); ++t) {
        if (!std::binary_search(addresses.begin(), addresses.end(),
                                one.address + static_cast<std::uint64_t>(t)))
          continue;
        const bool active = score[t].item<float>() > 0;
        const double stop = is_stop(key[t].item<float>() > 0 ? the : other) ? 1 : 0,
                     is_short = t + 1 < 5 ? 1 : 0;
        ++all;
        agree += active ? 1 : 0;
        (active ? stop_agree : stop_zero) += stop;
        (active ? short_agree : short_zero) += is_short;
      }
    }
    ASSERT_EQ(all, 200) << shape;
    ASSERT_GT(agree, 5) << shape;
    ASSERT_LT(agree, 195) << shape;
    EXPECT_NEAR(found.zero_agreement.share, 1 - agree / all, 1e-9) << shape;
    EXPECT_NEAR(found.agreeing_cells, 1, 1e-9) << shape;
    EXPECT_NEAR(found.agreeing_share, 1, 1e-5) << shape << ": it alone contributes";
    EXPECT_NEAR(found.stop_words_agreeing, stop_agree / agree, 1e-9) << shape;
    EXPECT_NEAR(found.stop_words_zero, stop_zero / (all - agree), 1e-9) << shape;
    EXPECT_NEAR(found.short_agreeing, short_agree / agree, 1e-9) << shape;
    EXPECT_NEAR(found.short_zero, short_zero / (all - agree), 1e-9) << shape;
  }
}

}  // namespace
}  // namespace emend
