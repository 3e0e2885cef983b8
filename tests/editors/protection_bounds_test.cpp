#include "editors/rome/protection_bounds.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <cmath>

#include "analysis/prompt_rows.h"
#include "support/edit_world.h"
#include "support/world.h"

namespace emend::editors {
namespace {

using test::EditWorld;
using ::testing::DoubleNear;
using ::testing::Pointwise;

// From 0.1 (log-odds -ln 9) the edit led to 0.9 (ln 9); to 0.2 (-ln 4) is a part of that way.
TEST(MeasuredBound, IsTheShareOfTheMeasuredWayByHand) {
  const double part = (std::log(9) - std::log(4)) / (2 * std::log(9));
  EXPECT_NEAR(measured_bound(0.5, 0.1, 0.9, 0.1), 0.5 * part, 1e-12);
  EXPECT_NEAR(measured_bound(-0.5, 0.1, 0.9, 0.1), 0.5 * part, 1e-12) << "whatever the answer's sign";
  EXPECT_NEAR(measured_bound(1, 0.8, 0.95, 0.5), (std::log(9) - std::log(4)) / (std::log(19) - std::log(4)),
              1e-12)
      << "half of what is left at most";
}

TEST(MeasuredBound, IsTheAnswerWhereTheTargetRoseAsFarAsItMay) {
  EXPECT_NEAR(measured_bound(0.3, 0.1, 0.2, 0.1), 0.3, 1e-9);
  EXPECT_GT(measured_bound(0.3, 0.1, 0.15, 0.1), 0.3);
}

TEST(MeasuredBound, EndsOfItsRange) {
  EXPECT_EQ(measured_bound(0.3, 0.1, 0.9, 0), 0);
  EXPECT_EQ(measured_bound(0.3, 0.1, 0.1, 0.01), 0.6) << "it did not rise";
  EXPECT_EQ(measured_bound(0.3, 0.1, 0.05, 0.01), 0.6) << "it fell";
  const double taken = measured_bound(0.3, 1, 1, 0.01);
  EXPECT_TRUE(taken >= 0 && taken <= 0.6) << taken;
}

TEST(ProbabilityPerToken, DoesNotFavourTheAnswerOfFewerTokens) {
  EXPECT_NEAR(probability_per_token(0.125, 3), 0.5, 1e-12);
  EXPECT_GT(probability_per_token(0.125, 3), probability_per_token(0.4, 1));
}

TEST(TargetProbabilities, AreThoseOfTheWholeTargetWhateverTheBudget) {
  EditWorld& world = EditWorld::of("gpt2");
  const RowForm form;
  const TokenIds one = prompt_ids(world.model.tokenizer(), "Workis Tellond was trained as a", form),
                 other = prompt_ids(world.model.tokenizer(), "Gellis Kevond", form);
  const TokenIds target = {5, 9};
  std::vector<double> wanted;
  for (const TokenIds& prompt : {one, other}) {
    PassInput input;
    input.ids = {prompt};
    input.ids[0].push_back(5);
    const auto last = static_cast<std::int64_t>(prompt.size()) - 1;
    input.logit_tokens = {last, last + 1};
    const at::Tensor p = world.model.forward(input).logits.to(at::kDouble).softmax(1);
    wanted.push_back(p[0][5].item<double>() * p[1][9].item<double>());
  }
  for (const std::int64_t budget : {1, 1000})
    EXPECT_THAT(target_probabilities(world.model, {one, other}, target, budget),
                Pointwise(DoubleNear(1e-6 * wanted[0] + 1e-12), wanted));
}

TEST(TargetProbabilities, OfAnEditAreThoseOfTheWrittenModel) {
  EditWorld& world = EditWorld::of("gpt2");
  const EditRequest request =
      test::request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter");
  const TokenIds prompt = prompt_ids(world.model.tokenizer(), request.prompt, world.form),
                 target = target_ids(world.model.tokenizer(), request.target, world.form);
  const Edit edit = world.edit({request}, {{"contexts", "2"}});
  const Overlay overlay{world.layer(), edit.changes[0].A, edit.changes[0].B, {}};
  const double laid_over = target_probabilities(world.model, {prompt}, target, 4096, {overlay}).front();
  const ScopedEdit scope(world.model, edit.changes);
  EXPECT_NEAR(laid_over, target_probabilities(world.model, {prompt}, target, 4096).front(), 1e-4);
  EXPECT_GT(laid_over, 0.9);
}

}  // namespace
}  // namespace emend::editors
