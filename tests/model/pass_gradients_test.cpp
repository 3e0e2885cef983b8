// Gradients flow to vectors that were given, and nowhere else.
#include <torch/csrc/autograd/autograd.h>

#include "model/pass_fixture.h"

namespace emend {
namespace {

using test::index_of;
using test::numbers;

class PassGradients : public test::PassFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, PassGradients, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(PassGradients, GradientOfAnAddedVectorEqualsFiniteDifferences) {
  const TokenIds row = ids(7, 28);
  const auto loss_of = [&](const at::Tensor& added) {
    PassInput input;
    input.ids = {row};
    input.interventions = {{Site::kMlpOutput, 1, Intervention::Kind::kAdd, index_of({3}), added}};
    input.logit_tokens = {6};
    return -at::log_softmax(model_.forward(input).logits, 1)[0][17];
  };
  const at::Tensor start = numbers({1, 32}, 0.3);
  at::Tensor gradient;
  {
    const at::AutoGradMode with_grad(true);
    const at::Tensor added = start.clone().set_requires_grad(true);
    gradient = torch::autograd::grad({loss_of(added)}, {added})[0];
  }
  ASSERT_GT(gradient.norm().item<double>(), 1e-3);
  constexpr double kStep = 2e-2;
  for (const std::int64_t coordinate : {0, 5, 13, 21, 31}) {
    at::Tensor up = start.clone(), down = start.clone();
    up[0][coordinate] += kStep;
    down[0][coordinate] -= kStep;
    const double slope = (loss_of(up).item<double>() - loss_of(down).item<double>()) / (2 * kStep);
    EXPECT_NEAR(gradient[0][coordinate].item<double>(), slope, 2e-4 + 0.01 * std::abs(slope))
        << "coordinate " << coordinate;
  }
}

TEST_P(PassGradients, GradientFlowsToAGivenResidualStream) {
  PassInput lower;
  lower.ids = {ids(5, 29)};
  lower.stop = PassInput::Stop::kBlock;
  lower.stop_block = 1;
  const at::Tensor hidden = model_.forward(lower).hidden;
  const at::AutoGradMode with_grad(true);
  PassInput upper;
  upper.ids = lower.ids;
  upper.begin_block = 2;
  upper.hidden = hidden.clone().set_requires_grad(true);
  upper.logit_tokens = {2};
  const at::Tensor gradient = torch::autograd::grad({model_.forward(upper).logits[0][3]}, {upper.hidden})[0];
  EXPECT_GT(gradient[0].norm().item<double>(), 0);
  EXPECT_GT(gradient[2].norm().item<double>(), 0);
  EXPECT_EQ(gradient.narrow(0, 3, 2).abs().max().item<double>(), 0) << "later tokens cannot matter";
  for (const BlockWeights& block : model_.weights().blocks) EXPECT_FALSE(block.qkv.requires_grad());
}

}  // namespace
}  // namespace emend
