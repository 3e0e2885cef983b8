#include "emend/checks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/prompt_rows.h"
#include "emend/generate.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using test::request_of;

// --- the four checks, on states made by hand

PromptState prompt_state(double p_target, double p_was, bool argmax) {
  return {p_target, p_was, argmax, ""};
}

struct Checked {
  std::vector<EditRequest> requests;
  std::vector<FactState> after;
  std::vector<bool> skipped;
  std::optional<double> drift;
  CheckThresholds thresholds;

  void add(const PromptState& prompt) {
    requests.push_back(request_of("edit-" + std::to_string(requests.size()), "p s", "s", "target"));
    requests.back().was = "was";
    after.push_back({requests.back().id, prompt, {}, {}});
    skipped.push_back(false);
  }
  std::vector<CheckResult> run() const {
    return run_checks(requests, after, skipped, drift, 100, thresholds);
  }
  CheckResult check(const std::string& name) const {
    for (const CheckResult& result : run())
      if (result.name == name) return result;
    ADD_FAILURE() << "no check " << name;
    return {};
  }
};

TEST(Checks, AreFourInAFixedOrder) {
  Checked checked;
  std::vector<std::string> names;
  for (const CheckResult& result : checked.run()) names.push_back(result.name);
  EXPECT_EQ(names, (std::vector<std::string>{"efficacy", "paraphrase", "neighbourhood", "drift"}));
}

TEST(Checks, WhatWasNotMeasuredIsNullAndNotPassed) {
  const Checked checked;
  for (const CheckResult& result : checked.run()) {
    EXPECT_FALSE(result.value.has_value()) << result.name;
    EXPECT_FALSE(result.passed) << result.name;
  }
  EXPECT_TRUE(all_passed(checked.run())) << "but fails no edit";
}

TEST(Checks, EfficacyWantsTheTargetAheadAndGreedy) {
  Checked checked;
  checked.add(prompt_state(0.6, 0.1, true));
  checked.add(prompt_state(0.3, 0.2, false));  // ahead of the old answer, but something else is likelier
  checked.add(prompt_state(0.2, 0.3, true));
  checked.add(prompt_state(0.3, 0.3, true));  // not ahead
  const CheckResult efficacy = checked.check("efficacy");
  EXPECT_EQ(efficacy.value, 0.25);
  EXPECT_EQ(efficacy.n, 4);
  EXPECT_FALSE(efficacy.passed);
}

TEST(Checks, WithoutAPresentAnswerBeingGreedyDecides) {
  Checked checked;
  checked.add(prompt_state(0.6, 0.6, true));
  checked.requests[0].was.clear();
  checked.add(prompt_state(0.6, 0.6, true));
  checked.requests[1].was = "target";
  EXPECT_EQ(checked.check("efficacy").value, 1.0);
}

TEST(Checks, SharesCountPromptsNotEdits) {
  Checked checked;
  checked.add(prompt_state(1, 0, true));
  checked.add(prompt_state(1, 0, true));
  checked.after[0].paraphrases = {prompt_state(0.5, 0.1, false), prompt_state(0.5, 0.1, false),
                                  prompt_state(0.1, 0.5, true)};
  checked.after[1].paraphrases = {prompt_state(0.5, 0.1, false)};
  checked.after[1].neighbours = {{"was", 0.5, 0.1, ""}, {"was", 0.1, 0.5, ""}};
  EXPECT_EQ(checked.check("paraphrase").value, 0.75);
  EXPECT_EQ(checked.check("paraphrase").n, 4);
  EXPECT_EQ(checked.check("neighbourhood").value, 0.5);
}

TEST(Checks, NeighboursThatProveNothingAreLeftOut) {
  Checked checked;
  checked.add(prompt_state(1, 0, true));
  checked.after[0].neighbours = {{"", 0, 0.5, ""}, {"target", 0.2, 0.2, ""}};
  EXPECT_FALSE(checked.check("neighbourhood").value.has_value());
  checked.after[0].neighbours.push_back({"was", 0.5, 0.5, ""});  // a tie is not ahead
  EXPECT_EQ(checked.check("neighbourhood").value, 0.0);
  EXPECT_EQ(checked.check("neighbourhood").n, 1);
}

TEST(Checks, SkippedFactsAreLeftOutOfEverything) {
  Checked checked;
  checked.add(prompt_state(1, 0, true));
  checked.add(prompt_state(0, 1, false));
  checked.after[1].paraphrases = {prompt_state(0, 1, false)};
  checked.skipped[1] = true;
  EXPECT_EQ(checked.check("efficacy").value, 1.0);
  EXPECT_EQ(checked.check("efficacy").n, 1);
  EXPECT_FALSE(checked.check("paraphrase").value.has_value());
  checked.skipped[1] = false;
  EXPECT_EQ(checked.check("efficacy").value, 0.5);
}

TEST(Checks, ThresholdsAreInclusive) {
  Checked checked;
  for (int i = 0; i < 4; ++i) checked.add(prompt_state(1, 0, i > 0));
  checked.after[0].paraphrases = {prompt_state(1, 0, true), prompt_state(0, 1, true)};
  checked.after[0].neighbours = {{"was", 1, 0, ""}, {"was", 0, 1, ""}};
  checked.drift = 1.02;
  checked.thresholds = {.efficacy = 0.75, .paraphrase = 0.5, .neighbourhood = 0.5, .drift = 1.02};
  for (const CheckResult& result : checked.run()) EXPECT_TRUE(result.passed) << result.name;
  EXPECT_TRUE(all_passed(checked.run()));
  checked.thresholds = {.efficacy = 0.76, .paraphrase = 0.51, .neighbourhood = 0.51, .drift = 1.0199};
  for (const CheckResult& result : checked.run()) EXPECT_FALSE(result.passed) << result.name;
}

TEST(Checks, OneMeasuredFailureFailsTheEdit) {
  Checked checked;
  checked.add(prompt_state(1, 0, true));
  EXPECT_TRUE(all_passed(checked.run()));
  checked.drift = 1.5;
  EXPECT_FALSE(all_passed(checked.run()));
  for (const double broken :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    checked.drift = broken;
    EXPECT_FALSE(checked.check("drift").passed) << broken;
    EXPECT_FALSE(all_passed(checked.run())) << broken;
  }
  checked.drift = 0.98;
  EXPECT_TRUE(checked.check("drift").passed) << "text that became likelier is no drift";
  EXPECT_EQ(checked.check("drift").n, 100);
}

TEST(Checks, ProbabilitiesThatAreNotNumbersDoNotPass) {
  Checked checked;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  checked.add(prompt_state(nan, nan, true));
  checked.after[0].paraphrases = {prompt_state(nan, 0.5, true)};
  checked.after[0].neighbours = {{"was", nan, 0.1, ""}};
  for (const char* name : {"efficacy", "paraphrase", "neighbourhood"})
    EXPECT_EQ(checked.check(name).value, 0.0) << name;
}

// --- measuring

class MeasureFacts : public ::testing::TestWithParam<std::string> {
 protected:
  MeasureFacts() : model_(test::load_world(GetParam())), requests_(test::world_edits(3)) {
    options_.prefix = model_.tokenizer().automatic_prefix();
    form_.prefix = options_.prefix;
  }
  double nll(const std::string& prompt, const std::string& answer) const {
    return test::plain_nll(model_, prompt_ids(model_.tokenizer(), prompt, form_),
                           target_ids(model_.tokenizer(), answer, form_));
  }
  Model model_;
  std::vector<EditRequest> requests_;
  CheckOptions options_;
  RowForm form_;
  SilentProgress silent_;
};
INSTANTIATE_TEST_SUITE_P(World, MeasureFacts, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(MeasureFacts, EqualsScoresByHand) {
  const auto states = measure_facts(model_, requests_, options_, silent_);
  ASSERT_EQ(states.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const EditRequest& request = requests_[i];
    SCOPED_TRACE(request.id);
    EXPECT_EQ(states[i].id, request.id);
    EXPECT_NEAR(states[i].prompt.p_target, std::exp(-nll(request.prompt, request.target)), 1e-5);
    EXPECT_NEAR(states[i].prompt.p_was, std::exp(-nll(request.prompt, request.was)), 1e-4);
    EXPECT_GT(states[i].prompt.p_was, 0.5) << "the world's models know it";
    EXPECT_FALSE(states[i].prompt.argmax_target);
    EXPECT_TRUE(states[i].prompt.completion.starts_with(" " + request.was)) << states[i].prompt.completion;
    ASSERT_EQ(states[i].paraphrases.size(), request.paraphrases.size());
    for (std::size_t p = 0; p < request.paraphrases.size(); ++p) {
      EXPECT_NEAR(states[i].paraphrases[p].p_target, std::exp(-nll(request.paraphrases[p], request.target)),
                  1e-5);
      EXPECT_NEAR(states[i].paraphrases[p].p_was, std::exp(-nll(request.paraphrases[p], request.was)), 1e-4);
    }
    ASSERT_EQ(states[i].neighbours.size(), request.neighbours.size());
    for (std::size_t n = 0; n < request.neighbours.size(); ++n) {
      EXPECT_EQ(states[i].neighbours[n].answer, request.neighbours[n].answer);
      EXPECT_NEAR(states[i].neighbours[n].p_answer,
                  std::exp(-nll(request.neighbours[n].prompt, request.neighbours[n].answer)), 1e-4);
      EXPECT_NEAR(states[i].neighbours[n].p_target,
                  std::exp(-nll(request.neighbours[n].prompt, request.target)), 1e-5);
    }
  }
}

TEST_P(MeasureFacts, ArgmaxIsOfTheTarget) {
  std::vector<EditRequest> true_now = requests_;
  for (EditRequest& request : true_now) std::swap(request.target, request.was);
  for (const FactState& state : measure_facts(model_, true_now, options_, silent_)) {
    EXPECT_TRUE(state.prompt.argmax_target) << state.id;
    EXPECT_GT(state.prompt.p_target, state.prompt.p_was);
  }
}

TEST_P(MeasureFacts, TokenBudgetChangesNothing) {
  const auto whole = measure_facts(model_, requests_, options_, silent_);
  options_.token_budget = 20;
  const auto portions = measure_facts(model_, requests_, options_, silent_);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(portions[i].prompt.p_was, whole[i].prompt.p_was, 1e-4);
    EXPECT_EQ(portions[i].prompt.completion, whole[i].prompt.completion);
  }
}

// --- present answers

TEST_P(MeasureFacts, PresentAnswersHaveAsManyWordsAsTheTarget) {
  // "profession-116" is now a stone cutter, which is two words.
  EditRequest request = request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "wool dyer");
  request.neighbours = {{"Kindric Gemover has long been a", ""}, {"Kindric Gemover has long been a", "kept"}};
  EditRequest one_word = request;
  one_word.target = "painter";
  EditRequest given = request;
  given.was = "given";
  std::vector<EditRequest> requests = {request, one_word, given};
  fill_present_answers(model_, requests, options_);
  EXPECT_EQ(requests[0].was, "stone cutter");
  EXPECT_EQ(requests[1].was, "stone");
  EXPECT_EQ(requests[2].was, "given");
  EXPECT_EQ(requests[0].neighbours[0].answer, "stone cutter");
  EXPECT_EQ(requests[0].neighbours[1].answer, "kept");
  EXPECT_EQ(requests[1].neighbours[0].answer, "stone");
}

TEST_P(MeasureFacts, PresentAnswersEndBeforePunctuation) {
  // Many more words than the answer has: what follows it is text, and an answer does not go past its line.
  EditRequest request =
      request_of("x", "Workis Tellond was trained as a", "Workis Tellond", "a b c d e f g h i j k l");
  std::vector<EditRequest> requests = {request};
  options_.completion_tokens = 3;
  fill_present_answers(model_, requests, options_);
  EXPECT_TRUE(requests[0].was.starts_with("stone cutter")) << requests[0].was;
  EXPECT_EQ(requests[0].was.find('\n'), std::string::npos);
  EXPECT_EQ(requests[0].was.find_first_of(".,;:!?", requests[0].was.size() - 1), std::string::npos);
}

TEST_P(MeasureFacts, NothingToFillAsksNothing) {
  std::vector<EditRequest> requests = requests_;
  fill_present_answers(model_, requests, options_);
  for (std::size_t i = 0; i < requests.size(); ++i) EXPECT_EQ(requests[i].was, requests_[i].was);
}

}  // namespace
}  // namespace emend
