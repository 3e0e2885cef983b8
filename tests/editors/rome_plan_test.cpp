// What ROME settles before any search: keys, responses, neighbours. C = I, so that nothing has to be
// collected.
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/expect_error.h"
#include "editors/rome/keys.h"
#include "editors/rome/parallel_keys.h"
#include "editors/rome/plan.h"
#include "support/random_matrices.h"
#include "support/world.h"

namespace emend::editors {
namespace {

using test::near;
using test::normals;
using test::request_of;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RomePlanTest : public ::testing::TestWithParam<std::string> {
 protected:
  RomePlanTest() : model_(test::load_world(GetParam())) {
    context_.layers = {2};
    context_.prefix = model_.tokenizer().automatic_prefix();
    options_.covariance = false;
    options_.contexts = 2;
  }
  RomePlan plan(Grouping grouping = Grouping::kShared) const {
    return {model_, requests_, context_, options_, grouping};
  }
  // a^T k in units of the answers.
  static at::Tensor answers(const at::Tensor& a, const at::Tensor& K) { return at::mv(K.t(), a); }

  Model model_;
  EditorContext context_;
  RomeOptions options_;
  std::vector<EditRequest> requests_ = {
      request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter"),
      request_of("other", "Gellis Kevond was trained as a", "Gellis Kevond", "tailor"),
      request_of("two", "Workis Tellond makes music on the", "Workis Tellond", "harp")};
};
INSTANTIATE_TEST_SUITE_P(World, RomePlanTest, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(RomePlanTest, EachKindOfKeysIsHeldToItsOwn) {
  options_.keys = RomeKeys::kContextAndBare;
  const KeyConstraint both = plan().constraint(0);
  const SubjectKeys keys = plan().groups()[0].keys[0];
  ASSERT_EQ(both.K.size(1), 3);
  EXPECT_TRUE(near(both.y, at::tensor({1.0, 1.0, 0.0}, at::kDouble), 0)) << "contexts, bare, sink";
  EXPECT_TRUE(near(both.K.select(1, 0), keys.contexts, 0));
  EXPECT_TRUE(near(both.K.select(1, 1), keys.bare, 0));
  options_.keys = RomeKeys::kMean;
  const KeyConstraint mean = plan().constraint(0);
  EXPECT_TRUE(near(mean.y, at::tensor({1.0, 0.0}, at::kDouble), 0));
  EXPECT_TRUE(near(mean.K.select(1, 0), (keys.bare + 4 * keys.contexts) / 5, 1e-9)) << "two of each length";
  options_.keys = RomeKeys::kPrompt;
  options_.protect_sink = false;
  const KeyConstraint prompt = plan().constraint(0);
  EXPECT_TRUE(near(prompt.K, keys.bare.unsqueeze(1), 0));
  EXPECT_EQ(prompt.y.size(0), 1);
}

TEST_P(RomePlanTest, AResponseAnswersItsConstraint) {
  for (const RomeKeys keys : {RomeKeys::kContextAndBare, RomeKeys::kMean, RomeKeys::kOriginal}) {
    options_.keys = keys;
    const RomePlan plan = this->plan();
    for (const std::size_t g : plan.all_groups()) {
      const KeyConstraint held = plan.constraint(g);
      EXPECT_TRUE(near(answers(plan.response(g), held.K), held.y, 1e-6));
    }
  }
}

TEST_P(RomePlanTest, JointResponsesAnswerZeroAtEverybodyElsesKeys) {
  const RomePlan plan = this->plan();
  ASSERT_EQ(plan.groups().size(), 2u);
  EXPECT_TRUE(plan.is_joint());
  const at::Tensor joint = plan.joint_responses(plan.all_groups());
  for (std::int64_t g = 0; g < 2; ++g)
    for (std::int64_t other = 0; other < 2; ++other) {
      const KeyConstraint held = plan.constraint(static_cast<std::size_t>(other));
      const at::Tensor wanted = g == other ? held.y : at::zeros_like(held.y);
      EXPECT_TRUE(near(answers(joint.select(1, g), held.K), wanted, 1e-6))
          << g << " at the keys of " << other;
    }
  options_.keys = RomeKeys::kOriginal;
  EXPECT_FALSE(this->plan().is_joint()) << "its responses are no solution at given keys";
}

TEST_P(RomePlanTest, AloneEveryRequestIsAGroupOfItsOwn) {
  EXPECT_EQ(plan(Grouping::kAlone).groups().size(), 3u);
}

TEST_P(RomePlanTest, ALoudNeighbourIsNamed) {
  requests_[0].neighbours = {{requests_[0].prompt, ""}};  // its own prompt receives the whole residual
  const RomePlan plan = this->plan();
  std::vector<std::string> loud;
  EXPECT_GE(plan.neighbour_alpha(0, plan.response(0), loud), 1 - 1e-3);
  EXPECT_THAT(loud, Contains(HasSubstr("edit one: its neighbour \"Workis Tellond was trained as a\"")));
  loud.clear();
  EXPECT_EQ(plan.neighbour_alpha(1, plan.response(1), loud), 0);
  EXPECT_THAT(loud, IsEmpty());
}

TEST_P(RomePlanTest, TheSummaryTellsWhoSharesAResidual) {
  const RomePlan plan = this->plan();
  const EditPlan summary = plan.summary();
  ASSERT_EQ(summary.entries.size(), 3u);
  EXPECT_EQ(summary.entries[0].id, "one");
  EXPECT_THAT(summary.entries[0].merged_with, ElementsAre("two"));
  EXPECT_EQ(summary.entries[0].layers, std::vector<int>{2});
  EXPECT_EQ(summary.entries[0].rows, 5);
  const at::Tensor joint = plan.joint_responses(plan.all_groups());
  EXPECT_NEAR(summary.entries[0].predicted_norm, joint.select(1, 0).norm().item<double>(), 1e-9);
}

// --- keys.h

TEST(PublishedResponse, HasTheDirectionOfOneKeyAndAnswersAnother) {
  constexpr std::int64_t kSize = 40;
  const at::Tensor C = test::with_spectrum(test::geometric(kSize, 1e-3, 10), 1), K = normals(kSize, 2, 2);
  const KeyMetric metric(std::make_shared<SpdFactor>(C, 0, "C"), C);
  const at::Tensor mean = K.select(1, 0), bare = K.select(1, 1);
  const auto a = published_response(metric, mean, bare);
  ASSERT_TRUE(a.has_value());
  EXPECT_NEAR(at::dot(*a, bare).item<double>(), 1, 1e-9);
  const at::Tensor direction = metric.solve(mean.unsqueeze(1)).squeeze(1);
  EXPECT_NEAR(std::abs(at::cosine_similarity(*a, direction, 0).item<double>()), 1, 1e-12);
}

TEST(PublishedResponse, OrthogonalKeysHaveNone) {
  const at::Tensor e = at::eye(3, at::kDouble);
  EXPECT_FALSE(published_response(KeyMetric(), e[0], e[1]).has_value());
}

// All pairs by the whole matrix, in strips of any height.
TEST(ParallelKeysTest, ArePairsOfLargeCosines) {
  constexpr std::int64_t kSize = 12, kKeys = 9;
  const at::Tensor C = test::with_spectrum(test::geometric(kSize, 1e-1, 10), 3);
  const KeyMetric metric(std::make_shared<SpdFactor>(C, 0, "C"), C);
  at::Tensor K = normals(kSize, kKeys, 4);
  K.select(1, 7) = 2 * K.select(1, 2) + 0.01 * K.select(1, 0);
  K.select(1, 8) = -K.select(1, 4);
  const at::Tensor cosines = key_cosines(metric, K);
  for (const std::int64_t rows : {1, 2, 4, 100}) {
    const ParallelKeys found = find_parallel_keys(metric, K, rows);
    ASSERT_EQ(found.near.size(), 1u) << rows;
    EXPECT_EQ(found.near[0].one, 2u);
    EXPECT_EQ(found.near[0].other, 7u);
    EXPECT_NEAR(found.near[0].cosine, cosines[2][7].item<double>(), 1e-9);
    ASSERT_TRUE(found.closest.has_value());
    EXPECT_EQ(found.closest->one, 4u) << "the opposite counts";
    EXPECT_EQ(found.closest->other, 8u);
  }
}

// A model that has no numbers from some position on, which only the longest request reaches.
class RomePlanOfNaN : public RomePlanTest {
 protected:
  RomePlanOfNaN() {
    constexpr std::int64_t kFirstBad = 45;
    const c10::NoGradGuard no_grad;
    at::Tensor positions = model_.weights().position_embedding;
    positions.slice(0, kFirstBad).fill_(std::nanf(""));
    context_.keep_going = true;
    std::string words;
    for (int i = 0; i < 30; ++i) words += " of the city";
    requests_.insert(requests_.begin() + 1,
                     request_of("bad", "All" + words + " say Orm was trained as a", "Orm", "tailor"));
  }
  static std::unique_ptr<Editor> rome() {
    return make_editor("rome", {{"covariance", {"false", "test"}}, {"contexts", {"2", "test"}}});
  }
};
INSTANTIATE_TEST_SUITE_P(World, RomePlanOfNaN, ::testing::Values("gpt2"),
                         [](const auto& shape) { return shape.param; });

TEST_P(RomePlanOfNaN, OnlyTheirFactFails) {
  const Edit found = rome()->edit(model_, requests_, context_, no_progress());
  ASSERT_EQ(found.facts.size(), 4u);
  EXPECT_EQ(found.facts[1].status, FactStatus::kFailed);
  EXPECT_THAT(found.facts[1].reason, HasSubstr("its keys hold NaN or infinity"));
  EXPECT_THAT(found.warnings, Contains("bad: its keys hold NaN or infinity; left out"));
  for (const std::size_t i : {0, 2, 3}) EXPECT_TRUE(found.facts[i].is_edited()) << i;
  ASSERT_EQ(found.changes.size(), 1u);
  requests_.erase(requests_.begin() + 1);
  const Edit others = rome()->edit(model_, requests_, context_, no_progress());
  EXPECT_TRUE(near(found.changes[0].B, others.changes[0].B, 0.05));
}

TEST_P(RomePlanOfNaN, EachAloneIsWhatItIsWithoutThem) {
  const std::vector<Edit> edits = rome()->edit_each(model_, requests_, context_, no_progress());
  ASSERT_EQ(edits.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    ASSERT_EQ(edits[i].facts.size(), 1u) << i;
    EXPECT_EQ(edits[i].facts[0].request.id, requests_[i].id);
    EXPECT_EQ(edits[i].facts[0].is_edited(), i != 1) << i;
    EXPECT_EQ(edits[i].changes.empty(), i == 1) << i;
  }
}

TEST_P(RomePlanOfNaN, APlanSaysSoAndWithoutKeepGoingTheyAreRefused) {
  const EditPlan planned = plan().summary();
  ASSERT_EQ(planned.entries.size(), 4u);
  EXPECT_EQ(planned.entries[3].id, "bad");
  EXPECT_EQ(planned.entries[3].predicted_norm, 0);
  context_.keep_going = false;
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { plan(); }),
              HasSubstr("the keys of bad at layer 2 hold NaN"));
  requests_ = {requests_[1]};
  context_.keep_going = true;
  const Edit nothing = rome()->edit(model_, requests_, context_, no_progress());
  ASSERT_EQ(nothing.facts.size(), 1u);
  EXPECT_TRUE(nothing.changes.empty());
  const auto by_need = make_editor("rome", {{"covariance", {"false", "test"}},
                                            {"contexts", {"2", "test"}},
                                            {"protected_share", {"1", "test"}},
                                            {"protected_rise", {"0.01", "test"}}});
  EXPECT_TRUE(by_need->edit(model_, requests_, context_, no_progress()).changes.empty());
}

// n near-duplicates are n^2 / 2 pairs: the first are told, the rest is counted.
TEST_P(RomePlanTest, OfManyNearDuplicatesAFewPairsAreTold) {
  requests_.clear();
  for (int i = 0; i < 40; ++i)
    requests_.push_back(request_of(fmt::format("n{}", i), fmt::format("In {} Orm was trained as a", 100 + i),
                                   "Orm", "painter"));
  options_.keys = RomeKeys::kOriginal;  // each is solved alone, and none is refused
  const std::vector<std::string> warnings = plan().warnings();
  ASSERT_EQ(warnings.size(), 101u);
  EXPECT_THAT(warnings[0], HasSubstr("edits n0 and n1 have nearly the same key"));
  EXPECT_THAT(warnings[100], HasSubstr("more pairs of edits have nearly the same key"));
}

}  // namespace
}  // namespace emend::editors
