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

// From p = 1/2 (log-odds 0) to 0.9 (ln 9) is the whole way; from 0.1 (-ln 9) to 0.2 (-ln 4) a part of it.
TEST(ResponseBound, IsTheShareOfTheWayInLogOddsByHand) {
  const double way = std::log(9);
  EXPECT_NEAR(response_bound(0.5, 0.9, 0.1, 0.1), (std::log(9) - std::log(4)) / way, 1e-12);
  EXPECT_NEAR(response_bound(0.5, 0.9, 0.9, 0.5), (std::log(19) - std::log(9)) / way, 1e-12)
      << "half of what is left at most";
}

TEST(ResponseBound, IsWiderWhereTheTargetIsUnlikely) {
  EXPECT_GT(response_bound(1e-4, 0.99, 1e-6, 0.01), response_bound(1e-4, 0.99, 1e-4, 0.01));
  EXPECT_GT(response_bound(1e-4, 0.99, 1e-4, 0.01), response_bound(1e-4, 0.99, 0.01, 0.01));
  EXPECT_GT(response_bound(1e-4, 0.99, 1e-4, 0.02), response_bound(1e-4, 0.99, 1e-4, 0.01));
}

TEST(ResponseBound, EndsOfItsRange) {
  EXPECT_EQ(response_bound(1e-4, 0.99, 0.01, 0), 0);
  EXPECT_EQ(response_bound(1e-4, 0.99, 0, 1), 1) << "nobody minds";
  EXPECT_LE(response_bound(0.9, 0.99, 1e-9, 0.01), 1) << "a short way";
  const double taken = response_bound(1e-4, 0.99, 1, 0.01);
  EXPECT_TRUE(taken >= 0 && taken <= 1) << taken;
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

}  // namespace
}  // namespace emend::editors
