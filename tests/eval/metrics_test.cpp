// Each metric on answers written down by hand, with the numbers worked out beside them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "eval/metric.h"

namespace emend {
namespace {

AnswerScore score(double probability, std::vector<std::int64_t> answer, std::vector<std::int64_t> likeliest) {
  return {-std::log(probability), std::move(answer), std::move(likeliest)};
}

// The tower is in Paris; it shall be in Rome. Ids: Paris 1, Rome 2 3 (two tokens), others as they come.
struct Tower {
  Tower() {
    EditRequest& r = record.request;
    r.prompt = "tower in";
    r.target = "Rome";
    r.was = "Paris";
    r.paraphrases = {"tower stands in", "see the tower in"};
    r.neighbours = {
        {"bridge in", "Paris"}, {"arch in", "Paris"}, {"forum in", "Rome"}};  // the last tells nothing apart
    record.locality = {{"near", "river of London is", "the Thames"}};
    record.portability = {{"hop", "the tower's country is", "Italy"}};
    base.scores = {{{"tower in", "Rome"}, score(0.1, {2, 3}, {1, 3})},
                   {{"tower in", "Paris"}, score(0.6, {1}, {1})},
                   {{"tower stands in", "Rome"}, score(0.2, {2, 3}, {1, 3})},
                   {{"tower stands in", "Paris"}, score(0.5, {1}, {1})},
                   {{"see the tower in", "Rome"}, score(0.1, {2, 3}, {1, 9})},
                   {{"see the tower in", "Paris"}, score(0.7, {1}, {1})},
                   {{"bridge in", "Paris"}, score(0.9, {1}, {1})},
                   {{"bridge in", "Rome"}, score(0.05, {2, 3}, {1, 3})},
                   {{"arch in", "Paris"}, score(0.8, {1}, {1})},
                   {{"arch in", "Rome"}, score(0.1, {2, 3}, {1, 3})},
                   {{"river of London is", "the Thames"}, score(0.5, {4, 5, 6}, {4, 5, 7})},
                   {{"the tower's country is", "Italy"}, score(0.1, {8}, {9})}};
    base.completions = {{"tower in", " Paris, France"},
                        {"tower stands in", " Paris"},
                        {"see the tower in", " Paris"},
                        {"bridge in", " Paris."},
                        {"arch in", " Paris."}};
    now = base;
    now.scores[{"tower in", "Rome"}] = score(0.9, {2, 3}, {2, 3});
    now.scores[{"tower in", "Paris"}] = score(0.02, {1}, {2});
    now.scores[{"tower stands in", "Rome"}] = score(0.5, {2, 3}, {2, 9});
    now.scores[{"tower stands in", "Paris"}] = score(0.5, {1}, {2});  // a tie
    now.scores[{"see the tower in", "Rome"}] = score(0.6, {2, 3}, {2, 3});
    now.scores[{"see the tower in", "Paris"}] = score(0.2, {1}, {2});
    now.scores[{"arch in", "Paris"}] = score(0.3, {1}, {2});
    now.scores[{"arch in", "Rome"}] = score(0.4, {2, 3}, {2, 3});
    now.scores[{"river of London is", "the Thames"}] = score(0.5, {4, 5, 6}, {4, 9, 7});
    now.scores[{"the tower's country is", "Italy"}] = score(0.4, {8}, {8});
    now.completions["tower in"] = " Rome, Italy";
    now.completions["tower stands in"] = " Romeo";
    now.completions["see the tower in"] = " the Rome";
    now.completions["arch in"] = " Rome.";
  }
  MetricValues judge(const Metric& metric, bool is_base = false) const {
    MetricValues values;
    metric.judge({record, base, is_base ? base : now}, values);
    return values;
  }
  EvalRecord record;
  Answers base, now;
};

TEST(RewriteMetric, CountsByHand) {
  const Tower tower;
  const MetricValues values = tower.judge(*make_rewrite_metric());
  EXPECT_EQ(values.at("efficacy_success"), 1);
  EXPECT_NEAR(values.at("efficacy_magnitude"), 0.9 - 0.02, 1e-12);
  EXPECT_EQ(values.at("efficacy_argmax"), 1);
  EXPECT_EQ(values.at("efficacy_generated"), 1);
  EXPECT_EQ(values.at("paraphrase_success"), 0.5);  // the tie is a failure
  EXPECT_NEAR(values.at("paraphrase_magnitude"), (0.0 + 0.4) / 2, 1e-12);
  EXPECT_EQ(values.at("paraphrase_argmax"), 0.5);
  EXPECT_EQ(values.at("paraphrase_generated"),
            0.5);  // "Romeo" is not Rome; the article in front does not matter
  EXPECT_EQ(values.at("neighbourhood_success"), 0.5);
  EXPECT_NEAR(values.at("neighbourhood_magnitude"), (0.85 - 0.1) / 2, 1e-12);
  EXPECT_EQ(values.at("neighbourhood_argmax"), 0.5);
  EXPECT_EQ(values.at("neighbourhood_generated"), 0.5);
  EXPECT_EQ(values.at("neighbourhood_unchanged"), 0.5);
}

TEST(RewriteMetric, TheBaseIsNotComparedWithItself) {
  const Tower tower;
  const MetricValues values = tower.judge(*make_rewrite_metric(), true);
  EXPECT_EQ(values.at("efficacy_success"), 0);
  EXPECT_NEAR(values.at("neighbourhood_magnitude"), (0.85 + 0.7) / 2, 1e-12);
  EXPECT_EQ(values.count("neighbourhood_unchanged"), 0u);
}

TEST(RewriteMetric, WithoutAPresentAnswerNothingIsOpposed) {
  Tower tower;
  tower.record.request.was.clear();
  tower.record.request.neighbours.clear();
  const MetricValues values = tower.judge(*make_rewrite_metric());
  EXPECT_EQ(values.count("efficacy_success"), 0u);
  EXPECT_EQ(values.at("efficacy_argmax"), 1);
  EXPECT_EQ(values.count("neighbourhood_success"), 0u);
}

TEST(RewriteMetric, AsksEachThingOnce) {
  const Tower tower;
  Questions questions;
  make_rewrite_metric()->ask(tower.record, questions);
  EXPECT_EQ(questions.scored.size(), 10u);  // five prompts, two answers each
  EXPECT_EQ(questions.completed.size(), 5u);
}

TEST(TokenAccuracyMetric, CountsByHand) {
  const Tower tower;
  const MetricValues values = tower.judge(*make_token_accuracy_metric());
  EXPECT_EQ(values.at("rewrite_acc"), 1);
  EXPECT_EQ(values.at("rephrase_acc"), 0.75);                  // (1/2 + 2/2) / 2
  EXPECT_NEAR(values.at("locality_near"), 2.0 / 3, 1e-12);     // first choices 4 9 7 against the base's 4 5 7
  EXPECT_NEAR(values.at("specificity_near"), 1.0 / 3, 1e-12);  // against the answer 4 5 6
  EXPECT_EQ(values.at("portability_hop"), 1);
  EXPECT_EQ(tower.judge(*make_token_accuracy_metric(), true).count("locality_near"), 0u);
}

TEST(CounterfactPlusMetric, CountsByHand) {
  Tower tower;
  const std::string bridge = "tower in Rome. bridge in", arch = "tower in Rome. arch in";
  Questions questions;
  const auto metric = make_counterfact_plus_metric();
  metric->ask(tower.record, questions);
  EXPECT_THAT(questions.compared, testing::UnorderedElementsAre("bridge in", "arch in", bridge, arch));
  tower.now.scores[{bridge, "Paris"}] = score(0.3, {1}, {2});
  tower.now.scores[{bridge, "Rome"}] = score(0.5, {2, 3}, {2, 3});
  tower.now.scores[{arch, "Paris"}] = score(0.6, {1}, {1});
  tower.now.scores[{arch, "Rome"}] = score(0.1, {2, 3}, {1, 3});
  tower.now.next_token_kl = {{"bridge in", 0.1}, {"arch in", 0.3}, {bridge, 1.0}, {arch, 3.0}};
  const MetricValues values = tower.judge(*metric);
  EXPECT_EQ(values.at("neighbourhood_plus_success"), 0.5);
  EXPECT_NEAR(values.at("neighbourhood_plus_magnitude"), (-0.2 + 0.5) / 2, 1e-12);
  EXPECT_NEAR(values.at("neighbourhood_kl"), 0.2, 1e-12);
  EXPECT_NEAR(values.at("neighbourhood_plus_kl"), 2.0, 1e-12);
}

TEST(WritingMetric, NeedsTexts) {
  Tower tower;
  const auto metric = make_writing_metric(nullptr);
  EXPECT_TRUE(tower.judge(*metric).empty());
  tower.now.texts = {"a b c"};  // two bigrams, one trigram: H2 = 1 bit, H3 = 0
  const MetricValues values = tower.judge(*metric);
  EXPECT_NEAR(values.at("fluency"), 1.0 / 3, 1e-12);
  EXPECT_EQ(values.count("consistency"), 0u);
}

}  // namespace
}  // namespace emend
