#include "emend/edit_stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/error.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using test::tiny_model;

WeightChange some_change(const Model& model, int block, std::uint64_t seed) {
  const auto values = [&](std::int64_t rows, std::int64_t columns, std::uint64_t stream) {
    const std::vector<std::int64_t> ids =
        test::some_ids(static_cast<std::size_t>(rows * columns), 1000, seed + stream);
    return at::tensor(ids, at::kLong).to(at::kFloat).sub(500).mul(1e-4).reshape({rows, columns});
  };
  return WeightChange::low_rank({block, Role::kMlpDown}, values(2, model.config().d_ff, 0),
                                values(model.config().d_model, 2, 1));
}

TEST(EditStack, LaysWhatScopedEditsLay) {
  Model model = tiny_model("gpt2");
  const std::vector<WeightChange> first = {some_change(model, 1, 1), some_change(model, 2, 2)};
  const std::vector<WeightChange> second = {some_change(model, 2, 3)};
  std::string expected;
  {
    const ScopedEdit under(model, first), over(model, second);
    expected = model.weights_digest();
  }
  EditStack stack(model);
  stack.push(first);
  stack.push(second);
  EXPECT_EQ(model.weights_digest(), expected);
}

TEST(EditStack, LaysDenseChangesAmongOthers) {
  Model model = tiny_model("gpt2");
  const std::string base = model.weights_digest();
  const WeightChange low = some_change(model, 2, 3);
  const std::vector<WeightChange> dense = {WeightChange::dense(low.weight, at::matmul(low.B, low.A))};
  EditStack stack(model);
  const std::uint64_t under = stack.push({some_change(model, 2, 2)});
  const std::uint64_t over = stack.push(dense);
  EXPECT_TRUE(stack.remove(under));
  {
    Model other = tiny_model("gpt2");
    const ScopedEdit scope(other, dense);
    EXPECT_EQ(model.weights_digest(), other.weights_digest());
  }
  WeightChange narrow = dense[0];
  narrow.D = narrow.D.narrow(1, 0, 7);
  EXPECT_THROW(stack.push({narrow}), Error);
  EXPECT_TRUE(stack.remove(over));
  EXPECT_EQ(model.weights_digest(), base);
}

TEST(EditStack, TakesOffInAnyOrderToTheBytesOfTheRest) {
  Model model = tiny_model("llama");
  const std::string base = model.weights_digest();
  const std::vector<std::vector<WeightChange>> sets = {{some_change(model, 1, 1)},
                                                       {some_change(model, 1, 2), some_change(model, 3, 3)},
                                                       {some_change(model, 1, 4)}};
  EditStack stack(model);
  std::vector<std::uint64_t> ids;
  for (const auto& set : sets) ids.push_back(stack.push(set));
  EXPECT_TRUE(stack.remove(ids[1]));
  EXPECT_FALSE(stack.remove(ids[1]));
  {
    Model other = tiny_model("llama");
    const ScopedEdit under(other, sets[0]), over(other, sets[2]);
    EXPECT_EQ(model.weights_digest(), other.weights_digest());
  }
  EXPECT_TRUE(stack.remove(ids[0]));
  EXPECT_TRUE(stack.remove(ids[2]));
  EXPECT_EQ(model.weights_digest(), base);
  EXPECT_EQ(stack.size(), 0u);
  EXPECT_NE(stack.push(sets[0]), ids[0]);
}

// Random pushes, removals and clears; the weights are always those of what is on, laid in order on a fresh
// model.
TEST(EditStack, ManyRandomRoundsEndAtTheBase) {
  Model model = tiny_model("gpt2");
  const std::string base = model.weights_digest();
  EditStack stack(model);
  std::map<std::uint64_t, std::vector<WeightChange>> on;
  const TokenIds draws = test::some_ids(300, 1000, 7);
  for (std::size_t i = 0; i < draws.size(); ++i) {
    const auto draw = static_cast<std::uint64_t>(draws[i]);
    if (on.empty() || draw % 3 != 0) {
      const std::vector<WeightChange> set = {some_change(model, static_cast<int>(draw % 4), draw)};
      on.emplace(stack.push(set), set);
    } else {
      const auto victim = std::next(on.begin(), static_cast<std::ptrdiff_t>(draw % on.size()));
      EXPECT_TRUE(stack.remove(victim->first));
      on.erase(victim);
    }
    if (i % 50 == 49) {
      Model fresh = tiny_model("gpt2");
      EditStack expected(fresh);
      for (const auto& [id, set] : on) expected.push(set);
      EXPECT_EQ(model.weights_digest(), fresh.weights_digest());
    }
  }
  stack.clear();
  EXPECT_EQ(model.weights_digest(), base);
}

TEST(EditStack, LiftsForAScopeAndAtItsEnd) {
  Model model = tiny_model("gpt2");
  const std::string base = model.weights_digest();
  {
    EditStack stack(model);
    stack.push({some_change(model, 0, 1)});
    const std::string laid = model.weights_digest();
    {
      const EditStack::Lifted lifted(stack);
      EXPECT_EQ(model.weights_digest(), base);
    }
    EXPECT_EQ(model.weights_digest(), laid);
  }
  EXPECT_EQ(model.weights_digest(), base);
}

TEST(EditStack, RefusesWhatDoesNotFitAndStaysAsItIs) {
  Model model = tiny_model("gpt2");
  EditStack stack(model);
  stack.push({some_change(model, 0, 1)});
  const std::string laid = model.weights_digest();
  WeightChange wide = some_change(model, 1, 2);
  wide.A = at::zeros({2, 7});
  EXPECT_THROW(stack.push({some_change(model, 1, 3), wide}), Error);
  EXPECT_EQ(model.weights_digest(), laid);
  EXPECT_EQ(stack.size(), 1u);
}

TEST(WeightsDigest, TellsEveryWeightApart) {
  EXPECT_EQ(tiny_model("gpt2").weights_digest(), tiny_model("gpt2").weights_digest());
  EXPECT_NE(tiny_model("gpt2", 4, 1).weights_digest(), tiny_model("gpt2", 4, 2).weights_digest());
  Model model = tiny_model("llama");
  const std::string before = model.weights_digest();
  model.weights().blocks[3].mlp_norm[5] += 1;
  EXPECT_NE(model.weights_digest(), before);
}

}  // namespace
}  // namespace emend
