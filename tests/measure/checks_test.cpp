// The four checks, on states made by hand.
#include "emend/checks.h"

#include <limits>

#include "support/world.h"

namespace emend {
namespace {

using test::request_of;

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

TEST(Checks, SaidIsAFifthWhereItIsAskedFor) {
  Checked checked;
  checked.add(prompt_state(1, 0, true));
  // Likelier on both, said on one.
  checked.after[0].paraphrases = {prompt_state(0.6, 0.1, true), prompt_state(0.3, 0.2, false)};
  checked.thresholds.said = 0.6;
  std::vector<std::string> names;
  for (const CheckResult& result : checked.run()) names.push_back(result.name);
  EXPECT_EQ(names, (std::vector<std::string>{"efficacy", "paraphrase", "said", "neighbourhood", "drift"}));
  EXPECT_EQ(checked.check("paraphrase").value, 1.0);
  EXPECT_EQ(checked.check("said").value, 0.5);
  EXPECT_EQ(checked.check("said").n, 2);
  EXPECT_FALSE(checked.check("said").passed);
  EXPECT_EQ(failed_checks(checked.run()), std::vector<std::string>{"said"});
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

}  // namespace
}  // namespace emend
