// What attention does between its two products, and masks of windows against plain loops.
#include "model/attend.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "model/layers.h"
#include "model/row_buckets.h"
#include "model/row_layout.h"
#include "pass_fixture.h"

namespace emend {
namespace {

TEST(Attend, SoftCapBendsScoresBeforeTheMask) {
  const double hidden = -std::numeric_limits<double>::infinity();
  const at::Tensor scores = at::tensor({1.0, 30.0, 50.0}).to(at::kFloat).view({1, 1, 3});
  const at::Tensor mask = at::tensor({0.0, 0.0, hidden}).to(at::kFloat).view({1, 1, 3});
  const at::Tensor values = at::eye(3, at::kFloat).unsqueeze(0);
  const at::Tensor y = attend(scores, mask, values, 10.0).flatten();
  const double a = std::exp(10 * std::tanh(0.1)), b = std::exp(10 * std::tanh(3.0));
  EXPECT_NEAR(y[0].item<double>(), a / (a + b), 1e-6);
  EXPECT_NEAR(y[1].item<double>(), b / (a + b), 1e-6);
  EXPECT_EQ(y[2].item<double>(), 0);
}

TEST(Attend, TheGradientOfTheSoftCapIsItsSlope) {
  const at::AutoGradMode on(true);
  const at::Tensor x = at::tensor({-20.0, -1.0, 0.5, 8.0}, at::kDouble).requires_grad_(true);
  soft_capped(x, 5.0).sum().backward();
  constexpr double kStep = 1e-6;
  const c10::NoGradGuard off;
  const at::Tensor slope = (soft_capped(x + kStep, 5.0) - soft_capped(x - kStep, 5.0)) / (2 * kStep);
  EXPECT_TRUE(test::near(x.grad(), slope, 1e-8));
  EXPECT_LT(x.grad()[0].item<double>(), 0.01) << "far out the cap is flat";
}

TEST(Attend, SlopesOfAlibiAreThoseOfThePaper) {
  EXPECT_TRUE(test::near(alibi_slopes(8).to(at::kDouble), at::pow(0.5, at::arange(1, 9, at::kDouble)), 0));
  const at::Tensor six = alibi_slopes(6).to(at::kDouble);  // four of 4 heads, then the odd ones of 8
  EXPECT_TRUE(test::near(six, at::tensor({0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125}, at::kDouble), 0));
}

// Whether a query at this position sees the key.
bool sees(std::int64_t query, std::int64_t key, std::int64_t window) {
  return key <= query && (window == 0 || query - key < window);
}

ModelConfig windowed(std::int64_t window) {
  ModelConfig c = test::tiny_config("llama", 2);
  c.blocks = {c.block, c.block};
  c.blocks[1].window = window;
  return c;
}

TEST(WindowMask, IsThatOfAPlainLoop) {
  for (const std::int64_t window : {1, 3, 7, 100}) {
    const ModelConfig config = windowed(window);
    PassInput input;
    input.ids = {TokenIds(9, 1), TokenIds(5, 1)};
    const RowLayout layout(input, config, at::kFloat, false);
    const at::Tensor mask = layout.head_mask(1, window);
    for (const auto& [row, length] : {std::pair(0, 9), std::pair(1, 5)})
      for (std::int64_t query = 0; query < length; ++query)
        for (std::int64_t key = 0; key < 9; ++key)
          EXPECT_EQ(mask[row][0][0][query][key].item<float>() == 0, sees(query, key, window))
              << window << ": " << query << " " << key;
    EXPECT_EQ(layout.head_mask(0, 0)[0][0][0][8][0].item<float>(), 0) << "the other block sees all";
  }
}

TEST(WindowMask, CountsFromTheEndOfACache) {
  const ModelConfig config = windowed(4);
  KvCache cache(config, 0, 2, 12, at::kFloat);
  cache.lengths = {6, 2};
  PassInput input;
  input.ids = {TokenIds(3, 1), TokenIds(3, 1)};
  input.cache = &cache;
  const RowLayout layout(input, config, at::kFloat, false);  // six slots of the cache, three new keys
  const at::Tensor mask = layout.head_mask(1, 4);
  for (const auto& [row, start] : {std::pair(0, 6), std::pair(1, 2)})
    for (std::int64_t t = 0; t < 3; ++t)
      for (std::int64_t slot = 0; slot < 9; ++slot) {
        const bool is_new = slot >= 6;
        const bool held = is_new || slot < start;
        const std::int64_t position = is_new ? start + slot - 6 : slot;
        EXPECT_EQ(mask[row][0][0][t][slot].item<float>() == 0, held && sees(start + t, position, 4))
            << row << " " << t << " " << slot;
      }
}

}  // namespace
}  // namespace emend
