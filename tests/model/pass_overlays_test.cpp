// Low-rank changes of a down projection that belong to some of the rows.
#include "emend/edit.h"
#include "model/pass_fixture.h"
#include "model/row_overlays.h"

namespace emend {
namespace {

using test::counting;
using test::near;
using test::numbers;
using test::plain_logits;

class PassOverlays : public test::PassFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, PassOverlays, ::testing::Values("gpt2", "gptj", "llama", "gemma2"),
                         [](const auto& shape) { return shape.param; });

TEST_P(PassOverlays, OverlayGatedPerRowActsOnItsRowsOnly) {
  const at::Tensor A = numbers({2, model_.config().d_ff}, 0.2), B = numbers({32, 2}, 0.5, 1.0);
  PassInput input;
  input.ids = {ids(5, 32), ids(7, 33), ids(4, 34)};
  input.logit_tokens = counting(0, 16);
  input.overlays = {{1, A, B, at::tensor({0.0, 0.0, 1.0, 1.0, 0.0, 1.0}, at::kFloat).view({3, 2})}};
  const at::Tensor logits = model_.forward(input).logits;
  const auto with = [&](const TokenIds& row, const Overlay& overlay) {
    PassInput alone;
    alone.ids = {row};
    alone.overlays = {overlay};
    alone.logit_tokens = counting(0, static_cast<std::int64_t>(row.size()));
    return model_.forward(alone).logits;
  };
  EXPECT_TRUE(near(logits.narrow(0, 0, 5), plain_logits(model_, input.ids[0]), test::kPassRounding));
  EXPECT_TRUE(near(logits.narrow(0, 5, 7), with(input.ids[1], {1, A, B, {}}), test::kPassRounding));
  EXPECT_TRUE(near(logits.narrow(0, 12, 4), with(input.ids[2], {1, A.narrow(0, 1, 1), B.narrow(1, 1, 1), {}}),
                   test::kPassRounding));
  EXPECT_FALSE(near(logits.narrow(0, 5, 7), plain_logits(model_, input.ids[1]), 1e-2));
}

TEST_P(PassOverlays, DenseAndLowRankEditsMeetTheirOwnRows) {
  const std::int64_t d_ff = model_.config().d_ff;
  const WeightRef weight{1, Role::kMlpDown};
  const WeightChange low =
      WeightChange::low_rank(weight, numbers({2, d_ff}, 0.2), numbers({32, 2}, 0.5, 1.0));
  const WeightChange dense = WeightChange::dense(weight, numbers({32, d_ff}, 0.1, 2.0));
  const std::vector<std::vector<WeightChange>> edits = {{dense}, {low}, {low, dense}};
  PassInput input;
  input.ids = {ids(5, 32), ids(7, 33), ids(4, 34), ids(6, 35)};
  input.logit_tokens = counting(0, 22);
  input.overlays = RowOverlays(edits, {0, 1, -1, 2}, at::TensorOptions(at::kFloat)).for_rows({0, 1, 2, 3});
  const at::Tensor logits = model_.forward(input).logits;
  const auto written = [&](const TokenIds& row, const std::vector<WeightChange>& changes) {
    const ScopedEdit scope(model_, changes);
    return plain_logits(model_, row);
  };
  EXPECT_TRUE(near(logits.narrow(0, 0, 5), written(input.ids[0], edits[0]), 1e-4));
  EXPECT_TRUE(near(logits.narrow(0, 5, 7), written(input.ids[1], edits[1]), 1e-4));
  EXPECT_TRUE(near(logits.narrow(0, 12, 4), plain_logits(model_, input.ids[2]), 1e-4));
  EXPECT_TRUE(near(logits.narrow(0, 16, 6), written(input.ids[3], edits[2]), 1e-4));
  EXPECT_FALSE(near(logits.narrow(0, 0, 5), plain_logits(model_, input.ids[0]), 1e-2));
}

}  // namespace
}  // namespace emend
