// The checks, the tables, JUnit, the worst cases and the success metrics read one rule: they agree on every
// combination of answers and likelihoods.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "emend/checks.h"
#include "emend/judge.h"
#include "eval/metric.h"
#include "measured.h"
#include "reports/eval_worst_cases.h"
#include "reports/fact_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

using testing::HasSubstr;

constexpr const char *kPrompt = "the tower stands in", *kParaphrase = "see the tower in",
                     *kNeighbour = "the arch is in", *kTarget = "Rome";
enum WorstKind { kFailed, kNotGenerated, kParaphrases, kNeighbours };

// A prompt, a paraphrase and a neighbour that a model answers alike.
struct Combination {
  std::string other;  // the present answer, and the neighbour's own
  double p_target = 0, p_other = 0;
  bool argmax = false;  // the target is the greedy continuation

  bool is_opposed() const { return !other.empty() && other != kTarget; }
};

std::ostream& operator<<(std::ostream& out, const Combination& c) {
  return out << "other '" << c.other << "', p(target) " << c.p_target << ", p(other) " << c.p_other
             << (c.argmax ? ", greedy" : "");
}

// As measure_facts() has it: without another answer, and where it is the target, both likelihoods are the
// target's.
std::vector<Combination> all_combinations() {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  std::vector<Combination> all;
  for (const bool argmax : {false, true}) {
    for (const auto& [p_target, p_other] :
         {std::pair(0.6, 0.3), {0.3, 0.6}, {0.4, 0.4}, {0.0, 0.0}, {kNaN, 0.3}, {0.3, kNaN}})
      all.push_back({"Paris", p_target, p_other, argmax});
    for (const std::string other : {"", kTarget})
      for (const double p : {0.6, 0.0, kNaN}) all.push_back({other, p, p, argmax});
  }
  return all;
}

test::Measured measured_of(const Combination& c) {
  test::Measured measured;
  EditRequest& request = measured.fact.request;
  request.prompt = kPrompt;
  request.target = kTarget;
  request.was = c.other;
  request.paraphrases = {kParaphrase};
  request.neighbours = {{kNeighbour, c.other}};
  const PromptState state = {c.p_target, c.p_other, c.argmax, ""};
  measured.after = {request.id, state, {state}, {{c.other, c.p_other, c.p_target, ""}}};
  measured.before = measured.after;
  return measured;
}

RecordResult record_of(const Combination& c) {
  RecordResult record;
  record.status = RecordStatus::kEdited;
  record.target = kTarget;
  record.was = c.other;
  const AnswerState kept = {0, 1, true, true, ""};  // a neighbour before the edit
  const AnswerState target = {c.p_target, c.p_other, c.argmax, true, ""};
  record.answers = {{"prompt", kPrompt, c.other, target, target},
                    {"paraphrase", kParaphrase, c.other, target, target},
                    {"neighbour", kNeighbour, c.other, kept, target}};
  return record;
}

MetricValues success_metrics(const Combination& c) {
  EvalRecord record;
  record.request = measured_of(c).fact.request;
  Answers now;
  for (const char* prompt : {kPrompt, kParaphrase, kNeighbour}) {
    now.scores[{prompt, kTarget}] = {-std::log(c.p_target), {1}, {c.argmax ? 1 : 2}};
    if (c.is_opposed()) now.scores[{prompt, c.other}] = {-std::log(c.p_other), {3}, {4}};
    now.completions[prompt] = "";
  }
  const Answers base = now;
  MetricValues values;
  make_rewrite_metric()->judge({record, base, now}, values);
  return values;
}

class Verdicts : public testing::TestWithParam<Combination> {
 protected:
  Verdicts() : combination_(GetParam()), measured_(measured_of(combination_)) {}

  // The value of a check: 0 or 1, or nothing where it was not measured.
  std::optional<double> check(const std::string& name) const {
    for (const CheckResult& result :
         run_checks({measured_.fact.request}, {measured_.after}, {false}, std::nullopt, 0, {}))
      if (result.name == name) return result.value;
    return std::nullopt;
  }
  bool is_worst_case(WorstKind kind) const {
    return !find_worst_cases({record_of(combination_)}).at(kind).cases.empty();
  }
  // Success where two answers compete; else whether the target is the greedy continuation.
  double metric(const std::string& group) const {
    const MetricValues values = success_metrics(combination_);
    return values.at(group + (combination_.is_opposed() ? "_success" : "_argmax"));
  }

  Combination combination_;
  test::Measured measured_;
};

TEST_P(Verdicts, AgreeOnThePrompt) {
  const bool holds = check("efficacy") == 1.0;
  EXPECT_EQ(judge(measured_.fact.request, measured_.after).holds, holds);
  EXPECT_EQ(junit_suite("s", measured_.list(), {}).cases.at(0).failure.has_value(), !holds);
  EXPECT_EQ(is_worst_case(kFailed), !holds);
  EXPECT_EQ(metric("efficacy") == 1 && success_metrics(combination_).at("efficacy_argmax") == 1, holds);
}

TEST_P(Verdicts, AgreeOnParaphrases) {
  const bool holds = check("paraphrase") == 1.0;
  EXPECT_EQ(judge(measured_.fact.request, measured_.after).paraphrases.at(0), holds);
  EXPECT_THAT(lost_table(measured_.list(), 0), HasSubstr(std::string("the target is likelier on ") +
                                                         (holds ? "1" : "0") + " of 1, and said on "));
  EXPECT_EQ(is_worst_case(kParaphrases), !holds);
  EXPECT_EQ(metric("paraphrase") == 1, holds);
}

TEST_P(Verdicts, AgreeOnNeighbours) {
  const std::optional<double> kept = check("neighbourhood");
  EXPECT_EQ(kept.has_value(), combination_.is_opposed());
  const auto verdict = judge(measured_.fact.request, measured_.after).neighbours.at(0);
  EXPECT_EQ(verdict.has_value(), kept.has_value());
  EXPECT_EQ(verdict.value_or(false), kept == 1.0);
  EXPECT_THAT(lost_table(measured_.list(), 0),
              HasSubstr(std::string("Neighbours kept: ") + (kept == 1.0 ? "1" : "0") + " of " +
                        (kept ? "1" : "0") + "."));
  EXPECT_EQ(is_worst_case(kNeighbours), kept == 0.0);
  const MetricValues values = success_metrics(combination_);
  EXPECT_EQ(values.contains("neighbourhood_success"), kept.has_value());
  if (kept) {
    EXPECT_EQ(values.at("neighbourhood_success"), *kept);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Verdicts, testing::ValuesIn(all_combinations()));

}  // namespace
}  // namespace emend
