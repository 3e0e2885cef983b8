// Cells switched off, pinned and scaled, against the same change made in the weights.
#include "emend/memory_set.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "base/expect_error.h"
#include "emend/edit.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

SetOptions options_for(const std::vector<std::string>& settings) {
  SetOptions options;
  options.prompt = test::world_edits(1)[0].prompt;
  options.max_new = 6;
  for (const std::string& text : settings) options.settings.push_back(parse_memory_setting(text));
  return options;
}

TEST(MemorySetting, IsReadAndWritten) {
  for (const char* text : {"L12D771=off", "L0D0=on", "L3D4=2.5", "L3D4=-1", "L3D4=x0.5", "L3D4=off@last",
                           "L3D4=x2@generated", "L3D4=1@0,4"})
    EXPECT_EQ(to_string(parse_memory_setting(text)), text);
  EXPECT_EQ(to_string(parse_memory_setting("L1D2=off@all")), "L1D2=off");
  EXPECT_THAT(parse_memory_setting("L3D4=1@0,4").positions, ElementsAre(0, 4));
  for (const char* text :
       {"L1D2", "L1D2=", "L1D2=x", "L1D2=often", "L1D2=1@", "L1D2=1@-3", "L1D2=nan", "=off"})
    EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { parse_memory_setting(text); }), HasSubstr("L12D771"))
        << text;
}

class MemorySet : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Shapes, MemorySet, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

// Off for all tokens is a value of zero; x3 is a value three times as long.
TEST_P(MemorySet, IsTheSameAsChangedValues) {
  Model model = test::load_world(GetParam());
  const SetOutcome outcome = run_memory_set(model, options_for({"L1D7=off", "L2D9=x3"}), no_progress());
  const auto change = [&](int layer, std::int64_t index, double factor) {
    const at::Tensor& down = model.weights().blocks[static_cast<std::size_t>(layer)].mlp_down;
    at::Tensor response = at::zeros({1, down.size(1)});
    response[0][index] = factor - 1;
    return WeightChange::low_rank({layer, Role::kMlpDown}, response,
                                  down.select(1, index).unsqueeze(1).clone());
  };
  const std::vector<WeightChange> changes = {change(1, 7, 0), change(2, 9, 3)};
  const ScopedEdit scope(model, changes);
  const PromptOutcome wanted = run_prompt(model, options_for({}).prompt, {.max_new = 6, .top = 5});
  EXPECT_EQ(outcome.changed.completion, wanted.completion);
  ASSERT_THAT(outcome.changed.top, SizeIs(5));
  for (std::size_t k = 0; k < 5; ++k)
    EXPECT_NEAR(outcome.changed.top[k].logprob, wanted.top[k].logprob, 1e-4);
}

TEST_P(MemorySet, NothingChangesNothing) {
  const Model model = test::load_world(GetParam());
  const SetOptions options = options_for({"L1D7=x1"});
  const SetOutcome outcome = run_memory_set(model, options, no_progress());
  EXPECT_EQ(outcome.unchanged.completion, run_prompt(model, options.prompt, {.max_new = 6}).completion);
  EXPECT_EQ(outcome.changed.completion, outcome.unchanged.completion);
  EXPECT_NEAR(outcome.kl_largest, 0, 1e-9);
  EXPECT_EQ(outcome.changed.perplexity, outcome.unchanged.perplexity);
}

TEST_P(MemorySet, OnMakesTheCellDominant) {
  const Model model = test::load_world(GetParam());
  const SetOutcome outcome = run_memory_set(model, options_for({"L2D5=on", "L1D3=4.5@last"}), no_progress());
  ASSERT_THAT(outcome.settings, SizeIs(2));
  EXPECT_GE(outcome.settings[0].after, std::abs(outcome.settings[0].before) * 0.999);
  EXPECT_EQ(outcome.settings[1].after, 4.5);
  EXPECT_GT(outcome.kl_at_end, 0);
  EXPECT_GE(outcome.kl_largest, outcome.kl_mean);
}

// Tokens of the prompt are not touched: the first next token stays.
TEST_P(MemorySet, GeneratedTokensAlone) {
  const Model model = test::load_world(GetParam());
  const SetOutcome outcome = run_memory_set(model, options_for({"L1D7=50@generated"}), no_progress());
  EXPECT_NEAR(outcome.kl_at_end, 0, 1e-9);
  EXPECT_GT(outcome.kl_largest, 0);
  ASSERT_FALSE(outcome.changed.completion.empty());
  EXPECT_EQ(outcome.changed.completion[0], outcome.unchanged.completion[0]);
}

TEST(MemorySetRefusals, NameWhatIsWrong) {
  const Model model = test::load_world("gpt2");
  const auto refusal = [&](ErrorKind kind, const SetOptions& options) {
    return test::error_of(kind, [&] { run_memory_set(model, options, no_progress()); });
  };
  EXPECT_THAT(refusal(ErrorKind::kUsage, options_for({})), HasSubstr("at least one setting"));
  EXPECT_THAT(refusal(ErrorKind::kConfig, options_for({"L99D0=off"})), HasSubstr("L99D0"));
  EXPECT_THAT(refusal(ErrorKind::kConfig, options_for({"L0D99999=off"})), HasSubstr("L0D99999"));
  EXPECT_THAT(refusal(ErrorKind::kConfig, options_for({"L0D0=off@100000"})), HasSubstr("positions"));
  EXPECT_THAT(refusal(ErrorKind::kConfig, options_for({"L0D0=off@0,99"})),
              testing::AllOf(HasSubstr("no position 99"), HasSubstr("0 to"), HasSubstr("6 new tokens")));
  for (const std::vector<std::string>& clash : std::vector<std::vector<std::string>>{
           {"L0D5=off", "L0D5=1"}, {"L0D5=off@0,1", "L0D5=1@1,0"}, {"L0D5=1@last", "L0D5=off"}})
    EXPECT_THAT(refusal(ErrorKind::kUsage, options_for(clash)), HasSubstr("set one cell")) << clash[0];
  EXPECT_THAT(run_memory_set(model, options_for({"L0D5=off", "L0D5=1@last"}), no_progress()).settings,
              SizeIs(2));
  SetOptions options = options_for({"L0D0=off"});
  options.top = 0;
  EXPECT_THAT(refusal(ErrorKind::kUsage, options), HasSubstr("top"));
}

}  // namespace
}  // namespace emend
