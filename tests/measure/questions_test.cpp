// Answers that are compared with each other, from scores that are made by hand.
#include "measure/questions.h"

#include <gtest/gtest.h>

#include <cmath>

namespace emend {
namespace {

// An answer of a whole probability; `greedy` if it is the first choice all along.
AnswerScore score_of(TokenIds ids, double probability, bool greedy = true) {
  AnswerScore score;
  score.nll = -std::log(probability) / static_cast<double>(ids.size());
  score.answer = ids;
  if (!greedy) ids.back() += 1;
  score.likeliest = ids;
  return score;
}

struct Seen {
  double wanted, other;
  bool likelier;
};

Seen compare(const AnswerScore& wanted, const AnswerScore& other) {
  Answers answers;
  answers.scores = {{{"p", "wanted"}, wanted}, {{"p", "other"}, other}};
  const Likelihoods logs = answers.likelihoods_of("p", "wanted", "other");
  EXPECT_NEAR(answers.margin("p", "wanted", "other"), std::exp(logs.wanted) - std::exp(logs.other), 1e-12);
  return {std::exp(logs.wanted), std::exp(logs.other), answers.verdict("p", "wanted", "other").likelier};
}

void expect_seen(const Seen& seen, const Seen& expected) {
  EXPECT_NEAR(seen.wanted, expected.wanted, 1e-12);
  EXPECT_NEAR(seen.other, expected.other, 1e-12);
  EXPECT_EQ(seen.likelier, expected.likelier);
}

TEST(Likelihoods, OfAnswersThatDifferAreMeansPerToken) {
  expect_seen(compare(score_of({1, 2}, 0.25), score_of({3}, 0.4)), {0.5, 0.4, true});
  expect_seen(compare(score_of({1, 2}, 0.25), score_of({1, 3}, 0.36)), {0.5, 0.6, false});
  expect_seen(compare(score_of({1}, 0.5), score_of({1}, 0.5)), {0.5, 0.5, false});
}

TEST(Likelihoods, AShorterAnswerDoesNotCountTheLongerOne) {
  expect_seen(compare(score_of({1, 2}, 0.982), score_of({1}, 0.990)), {0.982, 0.008, true});
  expect_seen(compare(score_of({1, 2}, 0.30), score_of({1}, 0.90)), {0.30, 0.60, false});
  expect_seen(compare(score_of({1, 2}, 0.90), score_of({1, 2, 3}, 0.70)), {0.20, 0.70, false});
  expect_seen(compare(score_of({1}, 0.95), score_of({1, 2}, 0.05)), {0.90, 0.05, true});
}

TEST(Likelihoods, OfAShorterAnswerThatAlwaysGoesOnIsNothing) {
  expect_seen(compare(score_of({1, 2}, 0.5), score_of({1}, 0.5)), {0.5, 0.0, true});
  // Sums of rounded numbers may put the longer text above the shorter one.
  expect_seen(compare(score_of({1, 2}, 0.5000001), score_of({1}, 0.5)), {0.5000001, 0.0, true});
}

}  // namespace
}  // namespace emend
