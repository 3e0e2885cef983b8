// Scopes that put other weights in place: the model is as it was behind them, also where they cannot begin.
#include "pipeline/rounded_weights.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_models.h"
#include "tests/base/expect_error.h"

namespace emend {
namespace {

using test::error_of;
using testing::HasSubstr;

std::vector<at::Tensor> matrices(const Model& model) {
  std::vector<at::Tensor> all;
  for (const BlockWeights& block : model.weights().blocks)
    for (const at::Tensor& W : {block.qkv, block.attention_out, block.mlp_in, block.mlp_down})
      all.push_back(W);
  return all;
}

std::vector<at::Tensor> copies(const Model& model) {
  std::vector<at::Tensor> all = matrices(model);
  for (at::Tensor& W : all) W = W.clone();
  return all;
}

void expect_same(const Model& model, const std::vector<at::Tensor>& before) {
  const std::vector<at::Tensor> now = matrices(model);
  ASSERT_EQ(now.size(), before.size());
  for (std::size_t i = 0; i < now.size(); ++i) EXPECT_TRUE(now[i].equal(before[i])) << "matrix " << i;
}

TEST(RoundedBlocks, RoundForTheirScope) {
  const c10::NoGradGuard no_grad;
  const Model model = test::tiny_model("llama");
  const std::vector<at::Tensor> before = copies(model);
  {
    const RoundedBlocks scope(model, type_named("bf16"));
    const std::vector<at::Tensor> now = matrices(model);
    for (std::size_t i = 0; i < now.size(); ++i)
      EXPECT_TRUE(now[i].equal(before[i].to(at::kBFloat16).to(at::kFloat))) << "matrix " << i;
  }
  expect_same(model, before);
}

// The rows of the first three matrices of a block are whole blocks of Q8_0, those of the fourth are not:
// three are rounded by then.
TEST(RoundedBlocks, AThrowHalfWayLeavesTheModelAsItWas) {
  const c10::NoGradGuard no_grad;
  const Model model = test::tiny_model("llama");
  const std::vector<at::Tensor> before = copies(model);
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { const RoundedBlocks scope(model, type_named("q8_0")); }),
              HasSubstr("rows of 80 elements are no whole number of Q8_0 blocks"));
  expect_same(model, before);
}

TEST(ScopedWeights, AThrowHalfWayLeavesTheModelAsItWas) {
  const c10::NoGradGuard no_grad;
  Model model = test::tiny_model("llama");
  const std::vector<at::Tensor> before = copies(model);
  const at::Tensor other = at::zeros_like(model.weights().blocks[1].mlp_down);
  const WeightRef here{1, Role::kMlpDown}, missing{9, Role::kMlpDown}, second{2, Role::kMlpDown};
  {
    const ScopedWeights scope(model, {{here, other}});
    EXPECT_TRUE(model.weights().blocks[1].mlp_down.equal(other));
  }
  expect_same(model, before);
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] {
                         const ScopedWeights scope(model, {{here, other}, {missing, other}});
                       }),
              HasSubstr("no weight"));
  expect_same(model, before);
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] {
                         const ScopedWeights scope(model, {{here, other}, {second, at::zeros({3, 5})}});
                       }),
              HasSubstr("a matrix of 3 x 5 in the place of one of 32 x 80"));
  expect_same(model, before);
}

}  // namespace
}  // namespace emend
