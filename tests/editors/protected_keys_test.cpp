// Keys of other subjects in the closed form: held to 0, chosen by the response, refused where they cannot be
// told apart. C = I, so that nothing has to be collected.
#include "editors/rome/protected_keys.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "base/expect_error.h"
#include "delivery/solve_again.h"
#include "editors/rome/plan.h"
#include "support/edit_world.h"
#include "support/world.h"

namespace emend::editors {
namespace {

using test::EditWorld;
using test::error_of;
using test::near;
using test::request_of;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

ProtectedText text(const EditRequest& request, const std::string& subject) {
  return {subject, prompt_about(request, subject), subject, request.subject_begin};
}

class ProtectedKeysTest : public ::testing::TestWithParam<std::string> {
 protected:
  ProtectedKeysTest() : world_(EditWorld::of(GetParam())), context_(world_.context) {
    options_.contexts = 2;
    options_.protected_share = 0;
    context_.protection = &protection_;
  }
  RomePlan plan(Grouping grouping = Grouping::kShared) const {
    return {world_.model, requests_, context_, options_, grouping};
  }
  at::Tensor key_of(const ProtectedText& about) const {
    EditRequest request = request_of("x", about.prompt, about.subject, "t");
    return world_.bare_key(request).to(at::kDouble);
  }

  EditWorld& world_;
  EditorContext context_;
  RomeOptions options_;
  Protection protection_;
  std::vector<EditRequest> requests_ = {
      request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter"),
      request_of("other", "Gellis Kevond was trained as a", "Gellis Kevond", "tailor")};
};
INSTANTIATE_TEST_SUITE_P(World, ProtectedKeysTest, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(ProtectedKeysTest, AResponseIsZeroAtGivenSubjects) {
  const ProtectedText other = text(requests_[0], "Dastan Vonurn");
  const at::Tensor before = plan().response(0);
  protection_.of["one"].given = {other};
  const RomePlan plan = this->plan();
  const at::Tensor a = plan.response(0), k = key_of(other);
  EXPECT_GT(std::abs(at::dot(before, k).item<double>()), 1e-3) << "else there is nothing to show";
  EXPECT_NEAR(at::dot(a, k).item<double>(), 0, 1e-4);
  const KeyConstraint held = plan.constraint(0);
  EXPECT_TRUE(near(at::mv(held.K.t(), a), held.y, 1e-6)) << "its own keys are answered as before";
  ASSERT_EQ(plan.protected_keys(0).size(), 1u);
  const ProtectedKey& told = plan.protected_keys(0)[0];
  EXPECT_EQ(told.subject, "Dastan Vonurn");
  EXPECT_NEAR(told.response, at::dot(before, k).item<double>(), 1e-3);
  EXPECT_NEAR(told.norm, a.norm().item<double>() / before.norm().item<double>(), 1e-6);
  EXPECT_EQ(plan.protected_count({0, 1}), 1);
  EXPECT_GT(plan.key_condition({0, 1}), 1);
}

TEST_P(ProtectedKeysTest, WithoutTextsThePlanIsThatWithoutProtection) {
  const at::Tensor with = plan().response(0);
  context_.protection = nullptr;
  EXPECT_TRUE(at::equal(plan().response(0), with));
  EXPECT_EQ(plan().protected_count({0, 1}), 0);
}

TEST_P(ProtectedKeysTest, OfCandidatesTheLoudestAreHeld) {
  const std::vector<std::string> names = {"Dastan Vonurn", "Thulma Tellond", "Gellis Gemover"};
  const at::Tensor before = plan().response(0);
  std::string loudest;
  double most = 0;
  for (const std::string& name : names) {
    const ProtectedText about = text(requests_[0], name);
    protection_.of["one"].found.push_back(about);
    const double response = std::abs(at::dot(before, key_of(about)).item<double>());
    if (response > most) {
      most = response;
      loudest = name;
    }
  }
  protection_.most_found = 1;
  protection_.least_response = 0;
  ASSERT_EQ(plan().protected_keys(0).size(), 1u);
  EXPECT_EQ(plan().protected_keys(0)[0].subject, loudest);
  protection_.least_response = 10;
  EXPECT_THAT(plan().protected_keys(0), IsEmpty()) << "nothing gets ten times the residual";
}

TEST_P(ProtectedKeysTest, WhatIsEditedItselfIsNotProtected) {
  protection_.of["one"].given = {text(requests_[0], "Gellis Kevond")};
  EXPECT_THAT(plan().protected_keys(0), IsEmpty()) << "it is the other edit's";
  EXPECT_EQ(plan(Grouping::kAlone).protected_keys(0).size(), 1u) << "alone there is no other edit";
}

TEST_P(ProtectedKeysTest, AKeyLikeTheEditsOwnIsRefusedOrToldWithItsNorm) {
  protection_.of["one"].given = {text(requests_[0], "Dastan Vonurn")};
  protection_.largest_cosine = 0.001;
  protection_.strict = true;
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan(); }),
              HasSubstr("edit one: the key of \"Dastan Vonurn\" is nearly its own (cosine 0."));
  protection_.strict = false;
  EXPECT_THAT(plan().warnings(), Contains(HasSubstr("times as large; it is not protected")));
  EXPECT_THAT(plan().protected_keys(0), IsEmpty());
}

TEST_P(ProtectedKeysTest, MoreKeysThanElementsAreRefused) {
  const std::int64_t F = world_.model.config().d_ff;
  std::vector<ProtectedText>& given = protection_.of["one"].given;
  for (std::int64_t i = 0; i < F + 8; ++i)
    given.push_back(text(requests_[0], fmt::format("{}{} Vonurn", static_cast<char>('A' + i % 26), 7 * i)));
  protection_.largest_cosine = 2;
  protection_.strict = true;
  const std::string why = fmt::format("are more than the {} elements of a key can tell apart", F);
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan(Grouping::kAlone); }), HasSubstr(why));
  protection_.strict = false;
  EXPECT_THAT(plan(Grouping::kAlone).warnings(), Contains(AllOf(HasSubstr(why), HasSubstr("the first"))));
}

TEST_P(ProtectedKeysTest, KeysLikeTheEditsOwnAreToldInOneWarningIfTheyAreGiven) {
  protection_.of["one"].given = {text(requests_[0], "Dastan Vonurn"), text(requests_[0], "Gellis Gemover")};
  protection_.of["one"].found = {text(requests_[0], "Thulma Tellond")};
  protection_.largest_cosine = 0.001;
  const std::vector<std::string> warnings = plan().warnings();
  EXPECT_THAT(warnings,
              Contains(HasSubstr("it is not protected, nor is what is as near: \"Gellis Gemover\"")));
  EXPECT_THAT(warnings, Not(Contains(HasSubstr("Thulma"))));
}

TEST_P(ProtectedKeysTest, AnEditLeavesProtectedKeysWhereTheyWere) {
  const ProtectedText other = text(requests_[0], "Dastan Vonurn");
  requests_.resize(1);
  protection_.of["one"].given = {other};
  SilentProgress silent;
  const Edit edit = EditWorld::editor({{"contexts", "2"}, {"protected_share", "0"}})
                        ->edit(world_.model, requests_, context_, silent);
  const at::Tensor moved = world_.moved(edit, key_of(other).to(at::kFloat));
  const at::Tensor own = world_.moved(edit, world_.bare_key(requests_[0]));
  EXPECT_LT(moved.norm().item<double>(), 1e-3 * own.norm().item<double>());
  ASSERT_EQ(edit.facts[0].parts[0].protected_keys.size(), 1u);
  EXPECT_EQ(edit.solves[0].protected_keys, 1);
}

TEST_P(ProtectedKeysTest, TheSamePatchIsSolvedAgainFromItsKeys) {
  for (const char* const id : {"one", "other"})  // held by both, as softly as each of them can bear it
    protection_.of[id].given = {text(requests_[0], "Dastan Vonurn"), text(requests_[0], "Thulma Tellond")};
  SilentProgress silent;
  for (const char* const share : {"0", "0.01"}) {
    const auto editor = EditWorld::editor({{"contexts", "2"}, {"protected_share", share}});
    Edit edit = editor->edit(world_.model, requests_, context_, silent);
    EXPECT_GE(edit.solves[0].protected_keys, 1) << share;
    const at::Tensor C = world_.statistics.layers.at(world_.layer()).C;
    const WeightChange again = solve_again(edit.solves[0], edited_at(edit, edit.changes[0].weight), C);
    EXPECT_TRUE(near(again.A, edit.changes[0].A, 1e-3)) << share;
  }
}

TEST_P(ProtectedKeysTest, AnotherEditOfAProtectedKeyIsSolvedWithIt) {
  requests_ = {requests_[0]};
  const EditRequest other = request_of("other", "Gellis Kevond was trained as a", "Gellis Kevond", "tailor");
  protection_.of["one"].given = {text(requests_[0], "Gellis Kevond")};
  SilentProgress silent;
  const auto editor = EditWorld::editor({{"contexts", "2"}, {"protected_share", "0"}});
  Edit edit = editor->edit(world_.model, requests_, context_, silent);
  Edit later = editor->edit(world_.model, {other}, context_, silent);
  ASSERT_EQ(edit.facts[0].parts[0].protected_keys.size(), 1u);
  at::Tensor& keys = edit.facts[0].parts[0].keys;
  keys =
      keys * (1 + 1e-7 * at::arange(keys.size(1), at::kFloat) / keys.size(1));  // another machine's rounding
  const at::Tensor C = world_.statistics.layers.at(world_.layer()).C;
  const WeightChange both = solve_again(edit.solves[0], {&edit.facts[0], &later.facts[0]}, C);
  const at::Tensor answers = at::matmul(both.A, later.facts[0].parts[0].keys.t());
  EXPECT_NEAR(answers[1][0].item<double>(), 1, 1e-3);
  EXPECT_NEAR(answers[0][0].item<double>(), 0, 1e-3) << "it is still protected from the first edit";
}

TEST_P(ProtectedKeysTest, WithinAShareOnlyLouderKeysAreHeldAndTheResponseIsShorter) {
  requests_.resize(1);
  const at::Tensor before = plan().response(0);
  std::vector<double> responses;
  for (const char* const name : {"Dastan Vonurn", "Thulma Tellond", "Gellis Gemover", "Workis Vonurn"}) {
    protection_.of["one"].given.push_back(text(requests_[0], name));
    responses.push_back(std::abs(at::dot(before, key_of(protection_.of["one"].given.back())).item<double>()));
  }
  const RomePlan exact = plan();
  options_.protected_share = *std::ranges::max_element(responses) / 2;
  const RomePlan plan = this->plan();
  const at::Tensor a = plan.response(0);
  for (const ProtectedText& given : protection_.of["one"].given)
    EXPECT_LT(std::abs(at::dot(a, key_of(given)).item<double>()), options_.protected_share + 1e-3)
        << given.name;
  const KeyConstraint held = plan.constraint(0);
  const at::Tensor own = at::nonzero(held.y).squeeze(1), answers = at::mv(held.K.t(), a);
  EXPECT_TRUE(near(answers.index_select(0, own), held.y.index_select(0, own), 1e-6));
  EXPECT_LT(a.norm().item<double>(), exact.response(0).norm().item<double>());
  ASSERT_GE(plan.protected_keys(0).size(), 1u);
  EXPECT_LE(plan.protected_keys(0).size(), exact.protected_keys(0).size());
  EXPECT_EQ(plan.protected_count({0}), static_cast<std::int64_t>(plan.protected_keys(0).size()));
}

// Two relations of one subject are one group; the second gives what the first has only found.
TEST_P(ProtectedKeysTest, AKeyIsThatOfEveryRequestThatNamesIt) {
  requests_[1] = request_of("two", "Workis Tellond was trained by the", "Workis Tellond", "tailor");
  protection_.of["one"].found = {text(requests_[0], "Dastan Vonurn")};
  protection_.of["two"].given = {text(requests_[1], "Dastan Vonurn")};
  protection_.most_found = 0;
  const RomePlan plan = this->plan();
  EXPECT_EQ(plan.protected_keys(0).size(), 1u) << "what is given is held";
  ASSERT_EQ(plan.protectable(0).texts.size(), 1u);
  std::vector<std::size_t> requests;
  for (const TextOf& one : plan.protectable(0).texts[0]) requests.push_back(one.request);
  EXPECT_THAT(requests, ::testing::UnorderedElementsAre(0, 1));
}

TEST_P(ProtectedKeysTest, AllowedAllNoKeyIsHeld) {
  protection_.of["one"].given = {text(requests_[0], "Dastan Vonurn")};
  const at::Tensor free = [&] {
    context_.protection = nullptr;
    const at::Tensor a = plan().response(0);
    context_.protection = &protection_;
    return a;
  }();
  options_.protected_share = 1;
  EXPECT_THAT(plan().protected_keys(0), IsEmpty());
  EXPECT_TRUE(at::equal(plan().response(0), free));
}

TEST(ProtectedRise, IsRefusedWhereTheShareIsNothing) {
  EXPECT_THAT(error_of(ErrorKind::kConfig,
                       [&] {
                         EditWorld::editor({{"protected_rise", "0.01"}, {"protected_share", "0"}});
                       }),
              AllOf(HasSubstr("protected_rise"), HasSubstr("does nothing beside")));
  EXPECT_NO_THROW(EditWorld::editor({{"protected_share", "0"}})) << "only where it is given";
  EXPECT_NO_THROW(EditWorld::editor({{"protected_rise", "0.02"}})) << "the share is 1 then";
}

TEST(ProtectedSlack, IsNothingWhileKeysAreFew) {
  EXPECT_EQ(protected_slack(100, 1536), 0);
  EXPECT_GT(protected_slack(500, 1536), 0);
}

}  // namespace
}  // namespace emend::editors
