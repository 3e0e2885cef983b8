// Questions in several wordings, with several accepted answers, and questions that need other edits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/records.h"
#include "eval/fit.h"
#include "eval/metric.h"

namespace emend {
namespace {

EvalRecord record_with(const std::string& id, std::vector<KindQuestion> portability) {
  EvalRecord record;
  record.request = make_request("Orm lives in", "Orm", "Velm");
  record.request.id = id;
  record.portability = std::move(portability);
  return record;
}

// A score whose greedy tokens are the answer's, or not.
AnswerScore said(bool greedy) {
  return {1.0, {1, 2}, {1, greedy ? 2 : 3}};
}

// Case a: the second wording has its alias; case b: nothing. So one of two groups is right; of four questions
// each has half of its first answer's tokens right.
TEST(JointQuestions, OneWordingOrOtherNameIsEnough) {
  const EvalRecord record = record_with("r", {{"multi_hop", "a1", "Dorst", {"Dorst City"}, "a", {}},
                                              {"multi_hop", "a2", "Dorst", {"Dorst City"}, "a", {}},
                                              {"multi_hop", "b1", "Tarn", {}, "b", {}},
                                              {"multi_hop", "b2", "Tarn", {}, "b", {}},
                                              {"plain", "p", "Ahl"}});
  const auto metric = make_token_accuracy_metric();
  Questions asked;
  metric->ask(record, asked);
  EXPECT_EQ(asked.scored.count({"a2", "Dorst City"}), 1u);
  Answers answers;
  for (const auto& pair : asked.scored)
    answers.scores[pair] = said(pair == Questions::Pair("a2", "Dorst City"));
  MetricValues values;
  metric->judge({record, answers, answers}, values);
  EXPECT_EQ(values.at("portability_multi_hop"), 0.5);
  EXPECT_EQ(values.at("portability_multi_hop_any"), 0.5);
  EXPECT_EQ(values.count("portability_plain_any"), 0u);
}

TEST(JointQuestions, AreAskedWhereAllTheirEditsAre) {
  const auto left = [](const std::string& mode) {
    std::vector<EvalRecord> records = {record_with("a", {}), record_with("b", {}),
                                       record_with("c", {{"k", "p", "x", {}, "g", {"b"}}, {"k", "q", "x"}})};
    const std::int64_t dropped = leave_out_joint_questions(records, parse_eval_mode(mode));
    EXPECT_EQ(records[2].portability.size() + static_cast<std::size_t>(dropped), 2u) << mode;
    return dropped;
  };
  EXPECT_EQ(left("single"), 1);
  EXPECT_EQ(left("batch:2"), 1);  // a and b, then c
  EXPECT_EQ(left("batch:3"), 0);
  EXPECT_EQ(left("sequential:1"), 0);
}

}  // namespace
}  // namespace emend
