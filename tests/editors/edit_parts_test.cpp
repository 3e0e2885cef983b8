#include "editors/common/edit_parts.h"

#include <gmock/gmock.h>

#include "base/expect_error.h"
#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend::editors {
namespace {

using test::near;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

at::Tensor doubles(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

EditRequest named(const std::string& id) {
  EditRequest request;
  request.id = id;
  return request;
}

SearchResult found(bool converged, double loss) {
  SearchResult result;
  result.finite = true;
  result.converged = converged;
  result.loss = loss;
  result.steps = 7;
  return result;
}

const WeightRef kWeight{2, Role::kMlpDown};

TEST(EditParts, TheChangeIsTheSumOfItsRankOneParts) {
  const at::Tensor a0 = doubles({1, 2, 3}), a1 = doubles({0, 1, -1}), r0 = doubles({5, 6}).to(at::kFloat),
                   r1 = doubles({-1, 2}).to(at::kFloat);
  const WeightChange change = closed_form_change(kWeight, {a0, a1}, {r0, r1});
  EXPECT_EQ(change.weight, kWeight);
  EXPECT_EQ(change.A.scalar_type(), at::kFloat);
  EXPECT_TRUE(near(at::matmul(change.B, change.A), at::outer(r0, a0) + at::outer(r1, a1), 1e-6));
}

TEST(EditParts, APartHoldsKeysAnswersAndNorms) {
  const KeyConstraint constraint = {doubles({1, 4, 2, 5, 3, 6}).view({3, 2}), doubles({1, 0})};
  const FactPart part =
      fact_part(kWeight, constraint, doubles({0, 3, 4}), doubles({1, 2, 2}).to(at::kFloat), 30);
  EXPECT_TRUE(near(part.keys, doubles({1, 2, 3, 4, 5, 6}).view({2, 3}), 0)) << "one key a row";
  EXPECT_TRUE(near(part.answers, doubles({1, 0}), 0));
  EXPECT_NEAR(part.update_norm, 15, 1e-6);
  EXPECT_NEAR(part.relative_norm, 0.5, 1e-7);
  EXPECT_TRUE(part.rows.empty());
}

TEST(EditParts, AFactSaysWhatBecameOfItsSearch) {
  const FactRecord edited = searched_fact(named("x"), found(true, 0.25), {FactPart{}});
  EXPECT_EQ(edited.status, FactStatus::kEdited);
  EXPECT_TRUE(edited.reason.empty());
  EXPECT_EQ(edited.steps, 7);
  EXPECT_EQ(edited.parts.size(), 1u);
  const FactRecord failed = searched_fact(named("x"), found(false, 3.5), {});
  EXPECT_EQ(failed.status, FactStatus::kFailed);
  EXPECT_THAT(failed.reason, HasSubstr("loss 3.5"));
}

TEST(EditParts, RecordsStandInTheOrderOfTheirRequests) {
  std::vector<std::pair<std::size_t, FactRecord>> facts;
  for (const std::size_t i : {2, 0, 1}) {
    FactRecord fact;
    fact.request = named(std::to_string(i));
    facts.emplace_back(i, fact);
  }
  const auto ordered = in_request_order(facts);
  ASSERT_EQ(ordered.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ordered[i].request.id, std::to_string(i));
}

TEST(EditParts, SearchesThatDidNotConvergeAreNamed) {
  const std::vector<EditRequest> requests = {named("a"), named("b"), named("c")};
  std::vector<KeyGroup> groups(2);
  groups[0].requests = {0};
  groups[1].requests = {1, 2};
  EXPECT_NO_THROW(require_converged(groups, {found(true, 1), found(true, 1)}, requests, 4));
  SearchResult lost = found(false, 2.5);
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric,
                             [&] {
                               require_converged(groups, {found(true, 1), lost}, requests, 4);
                             }),
              AllOf(HasSubstr("layer 4"), HasSubstr("b, c (loss 2.5"), Not(HasSubstr("for a"))));
  lost.finite = false;
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric,
                             [&] {
                               require_converged(groups, {lost, lost}, requests, 4);
                             }),
              AllOf(HasSubstr("a (the loss is not a number)"), HasSubstr("b, c")));
}

TEST(EditParts, TheNormIsThatOfTheDownProjection) {
  const Model model = test::tiny_model("gpt2");
  EXPECT_NEAR(weight_norm(model, kWeight), model.weights().blocks[2].mlp_down.norm().item<double>(), 1e-5);
}

}  // namespace
}  // namespace emend::editors
