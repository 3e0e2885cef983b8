#include "base/expect_error.h"
#include "emend/edit.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::near;

WeightChange some_change(const ModelConfig& config, int block, std::int64_t rank, double phase) {
  const at::Tensor a = at::sin(at::arange(rank * config.d_ff, at::kFloat) + phase).view({rank, config.d_ff});
  const at::Tensor b =
      at::cos(at::arange(rank * config.d_model, at::kFloat) * 0.7 + phase).view({config.d_model, rank});
  return WeightChange::low_rank({block, Role::kMlpDown}, 0.2 * a, 0.3 * b);
}

std::string bytes_of_weights(const Model& model) {
  std::string bytes;
  for (const BlockWeights& block : model.weights().blocks)
    bytes.append(static_cast<const char*>(block.mlp_down.const_data_ptr()), block.mlp_down.nbytes());
  return bytes;
}

class ScopedEditTest : public ::testing::TestWithParam<std::string> {
 protected:
  ScopedEditTest() : model_(test::tiny_model(GetParam())), row_(test::some_ids(7, 96, 3)) {}
  Model model_;
  TokenIds row_;
};
INSTANTIATE_TEST_SUITE_P(Shapes, ScopedEditTest, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(ScopedEditTest, WritesWeightPlusBA) {
  const at::Tensor before = model_.weight({1, Role::kMlpDown}).clone();
  const WeightChange change = some_change(model_.config(), 1, 2, 0);
  const ScopedEdit scope(model_, {change});
  EXPECT_TRUE(near(model_.weight({1, Role::kMlpDown}).to(at::kDouble),
                   before.to(at::kDouble) + at::matmul(change.B.to(at::kDouble), change.A.to(at::kDouble)),
                   1e-6));
}

TEST_P(ScopedEditTest, WritesWeightPlusD) {
  const at::Tensor before = model_.weight({1, Role::kMlpDown}).clone();
  const WeightChange low = some_change(model_.config(), 1, 2, 0);
  const at::Tensor D = at::matmul(low.B, low.A);
  const WeightChange dense = WeightChange::dense(low.weight, D);
  EXPECT_TRUE(dense.is_dense());
  EXPECT_EQ(dense.outputs(), model_.config().d_model);
  EXPECT_EQ(dense.inputs(), model_.config().d_ff);
  const auto [A, B] = dense.factors();
  EXPECT_TRUE(at::equal(at::matmul(B, A), D));
  {
    const ScopedEdit scope(model_, {dense});
    EXPECT_TRUE(at::equal(model_.weight({1, Role::kMlpDown}), before + D));
  }
  EXPECT_TRUE(at::equal(model_.weight({1, Role::kMlpDown}), before));
}

TEST_P(ScopedEditTest, OverlayEqualsReallyWrittenWeights) {
  const c10::NoGradGuard no_grad;
  const WeightChange low = some_change(model_.config(), 0, 1, 0),
                     high = some_change(model_.config(), 2, 3, 1);
  PassInput input;
  input.ids = {row_};
  input.logit_tokens = test::counting(0, 7);
  input.overlays = {{low.weight.block, low.A, low.B, {}}, {high.weight.block, high.A, high.B, {}}};
  const at::Tensor overlaid = model_.forward(input).logits, unedited = test::plain_logits(model_, row_);
  const ScopedEdit scope(model_, {low, high});
  EXPECT_TRUE(near(overlaid, test::plain_logits(model_, row_), 5e-5));
  EXPECT_FALSE(near(overlaid, unedited, 1e-2));
}

TEST_P(ScopedEditTest, PutsTheVeryBytesBack) {
  const std::string before = bytes_of_weights(model_);
  const void* place = model_.weight({1, Role::kMlpDown}).const_data_ptr();
  {
    const ScopedEdit outer(model_, {some_change(model_.config(), 1, 1, 0)});
    const std::string between = bytes_of_weights(model_);
    EXPECT_NE(between, before);
    {
      // The same block twice in one change, and again in the outer one.
      const ScopedEdit inner(model_,
                             {some_change(model_.config(), 1, 2, 1), some_change(model_.config(), 3, 1, 2),
                              some_change(model_.config(), 1, 1, 3)});
      EXPECT_NE(bytes_of_weights(model_), between);
    }
    EXPECT_EQ(bytes_of_weights(model_), between);
  }
  EXPECT_EQ(bytes_of_weights(model_), before);
  EXPECT_EQ(model_.weight({1, Role::kMlpDown}).const_data_ptr(), place);
}

TEST_P(ScopedEditTest, AnExceptionPutsThemBackToo) {
  const std::string before = bytes_of_weights(model_);
  try {
    const ScopedEdit scope(model_, {some_change(model_.config(), 1, 1, 0)});
    throw std::runtime_error("meanwhile");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(bytes_of_weights(model_), before);
}

TEST_P(ScopedEditTest, RefusesWhatDoesNotFitAndChangesNothing) {
  const std::string before = bytes_of_weights(model_);
  const WeightChange good = some_change(model_.config(), 1, 1, 0);
  const WeightRef weight = good.weight;
  for (const WeightChange& bad : {WeightChange::low_rank({4, Role::kMlpDown}, good.A, good.B),
                                  WeightChange::low_rank({-1, Role::kMlpDown}, good.A, good.B),
                                  WeightChange::low_rank({1, Role::kMlpUp}, good.A, good.B),
                                  WeightChange::low_rank({1, Role::kMlpDown, 0}, good.A, good.B),
                                  WeightChange::low_rank(weight, good.A.narrow(1, 0, 70), good.B),
                                  WeightChange::low_rank(weight, good.A, good.B.narrow(0, 0, 31)),
                                  WeightChange::low_rank(weight, at::cat({good.A, good.A}), good.B),
                                  WeightChange::dense(weight, at::zeros({good.inputs(), good.outputs()}))}) {
    test::error_of(ErrorKind::kModel, [&] { const ScopedEdit scope(model_, {good, bad}); });
    EXPECT_EQ(bytes_of_weights(model_), before);
  }
}

TEST_P(ScopedEditTest, ChangesNothingIfAChangeCannotBeComputed) {
  const std::string before = bytes_of_weights(model_);
  const WeightChange good = some_change(model_.config(), 1, 1, 0);
  WeightChange bad = some_change(model_.config(), 2, 1, 0);
  bad.A = bad.A.unsqueeze(2).expand({-1, -1, 2});  // of the sizes that are asked for, but not a matrix
  for (const std::vector<WeightChange>& changes : {std::vector{good, bad}, std::vector{good, good, bad}}) {
    EXPECT_ANY_THROW(const ScopedEdit scope(model_, changes));
    EXPECT_EQ(bytes_of_weights(model_), before);
  }
}

TEST(ScopedEditBfloat16, RoundsOnceAndPutsTheBytesBack) {
  ModelOptions options;
  options.dtype = ComputeType::kBfloat16;
  Model model = Model::make_random(test::tiny_config("llama"), 1, options);
  const std::string before = bytes_of_weights(model);
  const at::Tensor old = model.weight({0, Role::kMlpDown}).to(at::kFloat);
  const WeightChange change = some_change(model.config(), 0, 1, 0);
  {
    const ScopedEdit scope(model, {change});
    EXPECT_EQ(model.weight({0, Role::kMlpDown}).scalar_type(), at::kBFloat16);
    EXPECT_TRUE(at::equal(model.weight({0, Role::kMlpDown}),
                          (old + at::matmul(change.B, change.A)).to(at::kBFloat16)));
  }
  EXPECT_EQ(bytes_of_weights(model), before);
}

}  // namespace
}  // namespace emend
