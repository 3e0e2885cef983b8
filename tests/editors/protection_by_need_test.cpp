// Protection by need: an edit that moves no other subject too much stays as it is, and one that does is held
// where it was seen to.
#include "editors/rome/protection_by_need.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/expect_error.h"
#include "editors/rome/plan.h"
#include "editors/rome/protection_bounds.h"
#include "editors/rome/search.h"
#include "memories/first_of_two.h"
#include "support/edit_world.h"
#include "support/world.h"

namespace emend::editors {
namespace {

using test::EditWorld;
using test::request_of;
using ::testing::Contains;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;

class KeepStages : public SilentProgress {
 public:
  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override {
    begun.push_back(fmt::format("{}: {} {}", stage, total, unit));
  }
  std::vector<std::string> begun;
};

class ProtectionByNeedTest : public ::testing::TestWithParam<std::string> {
 protected:
  ProtectionByNeedTest() : world_(EditWorld::of(GetParam())), context_(world_.context) {
    context_.protection = &protection_;
    for (EditRequest& request : requests_)
      for (const char* const name : {"Dastan Vonurn", "Thulma Tellond", "Gellis Gemover", "Workis Vonurn"})
        protection_.of[request.id].given.push_back(
            {name, prompt_about(request, name), name, request.subject_begin});
  }

  // Each request by itself.
  std::vector<Edit> edits(double rise, std::map<std::string, std::string> options = {}) const {
    SilentProgress silent;
    options.insert(
        {{"contexts", "2"}, {"protected_share", "1"}, {"protected_rise", fmt::format("{}", rise)}});
    return EditWorld::editor(options)->edit_each(world_.model, requests_, context_, silent);
  }
  // Of the request's target at its other subjects.
  std::vector<double> rises(const EditRequest& request, const Edit& edit) const {
    const Tokenizer& tokenizer = world_.model.tokenizer();
    std::vector<TokenIds> prompts;
    for (const ProtectedText& text : protection_.of.at(request.id).given)
      prompts.push_back(prompt_ids(tokenizer, text.prompt, world_.form));
    const TokenIds target = target_ids(tokenizer, request.target, world_.form);
    const std::vector<double> before = target_probabilities(world_.model, prompts, target, 4096);
    const Overlay laid{world_.layer(), edit.changes[0].A, edit.changes[0].B, {}};
    std::vector<double> rises = target_probabilities(world_.model, prompts, target, 4096, {laid});
    for (std::size_t i = 0; i < rises.size(); ++i) rises[i] -= before[i];
    return rises;
  }

  EditWorld& world_;
  EditorContext context_;
  Protection protection_;
  std::vector<EditRequest> requests_ = {
      request_of("one", "Workis Tellond was trained as a", "Workis Tellond", "painter"),
      request_of("other", "Gellis Kevond was trained as a", "Gellis Kevond", "tailor")};
};
INSTANTIATE_TEST_SUITE_P(World, ProtectionByNeedTest, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(ProtectionByNeedTest, AnEditThatMovesNobodyTooMuchIsThatWithoutProtection) {
  const std::vector<Edit> free = edits(1);
  double most = 0;
  for (std::size_t i = 0; i < free.size(); ++i)
    for (const double rise : rises(requests_[i], free[i])) most = std::max(most, rise);
  ASSERT_LT(most, 0.9);
  const std::vector<Edit> held = edits(std::max(most, 1e-6) + 1e-6);
  for (std::size_t i = 0; i < free.size(); ++i) {
    EXPECT_THAT(held[i].facts[0].parts[0].protected_keys, IsEmpty());
    EXPECT_TRUE(at::equal(held[i].changes[0].A, free[i].changes[0].A));
    EXPECT_TRUE(at::equal(held[i].changes[0].B, free[i].changes[0].B));
  }
}

TEST_P(ProtectionByNeedTest, WhereTheTargetRosePastItsAimItIsHeldNearIt) {
  const std::vector<Edit> free = edits(1);
  for (std::size_t i = 0; i < free.size(); ++i) {
    const std::vector<double> without = rises(requests_[i], free[i]);
    const double most = *std::ranges::max_element(without);
    ASSERT_GT(most, 1e-6) << "else there is nothing to show";
    const double aim = most / 8;
    const Edit held = edits(aim)[i];
    EXPECT_THAT(rises(requests_[i], held), Each(Lt(1.6 * aim))) << requests_[i].id << ": from " << most;
    EXPECT_THAT(held.facts[0].parts[0].protected_keys, Not(IsEmpty()));
  }
}

// Botin Tower is held after the first round and not asked again, while others still miss their aim.
TEST_P(ProtectionByNeedTest, ASubjectStaysHeldWhileOthersAreMeasuredAgain) {
  if (GetParam() != "gpt2") GTEST_SKIP() << "the subjects are those that this model confuses";
  requests_ = {request_of("dug", "Duguvam is in the country of", "Duguvam", "Vinneth")};
  requests_[0].was = "Tusania";
  ProtectedTexts& texts = protection_.of["dug"];
  texts.given.clear();
  for (const char* const name :
       {"Botin Thelmul",   "Botin Therveen",   "Botin Thidov",  "Botin Thilmett", "Botin Thonon",
        "Botin Tower",     "Botin Vomar",      "Botin Vomolm",  "Botin Vonurn",   "Botin Vunnask",
        "Botin Wannco",    "Botin Weskunidge", "Botin Wetover", "Botin Wirvam",   "Berkco Trilolm",
        "Berkco Tristola", "Berkco Vagindond", "Berkco Valley", "Berkco Vanatam", "Berkco Varkollasp",
        "Berkco Vennan",   "Berkco Vervund",   "Berkco Vogant", "Berkco Vomar",   "Berkco Vomolm",
        "Berkco Vonurn",   "Berkco Vunnask"})
    texts.given.push_back({name, prompt_about(requests_[0], name), name, requests_[0].subject_begin});
  const Edit held = edits(0.01, {{"contexts", "10"}})[0];
  EXPECT_THAT(rises(requests_[0], held), Each(Lt(0.03)));
}

TEST_P(ProtectionByNeedTest, TheEditStillHolds) {
  const std::vector<Edit> free = edits(1);
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const Edit held = edits(std::ranges::max(rises(requests_[i], free[i])) / 8)[i];
    ASSERT_THAT(held.facts[0].parts[0].protected_keys, Not(IsEmpty())) << "else it is the free edit";
    const Overlay laid{world_.layer(), held.changes[0].A, held.changes[0].B, {}};
    const Tokenizer& tokenizer = world_.model.tokenizer();
    EXPECT_GT(target_probabilities(world_.model, {prompt_ids(tokenizer, requests_[i].prompt, world_.form)},
                                   target_ids(tokenizer, requests_[i].target, world_.form), 4096, {laid})[0],
              0.94)
        << requests_[i].id << ": it is searched on until its target is likelier than 0.95";
  }
}

TEST_P(ProtectionByNeedTest, WhatIsMeasuredIsAStage) {
  KeepStages stages;
  EditWorld::editor({{"contexts", "2"}})->edit_each(world_.model, requests_, context_, stages);
  EXPECT_THAT(stages.begun, Contains("measuring at other subjects, round 1: 2 edits"));
}

// Keys of the edit's own subject behind other words are so near its own that the response gets loud, and the
// residual short; it could be searched on, but here no step leads anywhere.
TEST_P(ProtectionByNeedTest, AnEditThatWouldNotTakeStaysWithoutProtection) {
  requests_.resize(1);
  requests_[0].was = "stone cutter";
  ProtectedTexts& texts = protection_.of["one"];
  texts.given.clear();
  for (const char* const front : {"The ", "And ", "Then ", "Now ", "Here ", "So "})
    texts.given.push_back({front, front + requests_[0].prompt, "Workis Tellond", std::string(front).size()});
  protection_.largest_cosine = 2;
  RomeOptions options;
  options.contexts = 2;
  RomePlan plan(world_.model, requests_, context_, options, Grouping::kAlone);
  SilentProgress silent;
  RomeSolution solution = search_alone(plan, {plan.response(0)}, silent);
  const at::Tensor a = solution.responses[0].clone(), r = solution.results[0].r.clone();
  const double loss = solution.results[0].loss;
  const KeyConstraint free = plan.constraint(0);
  options.protected_rise = 1e-9;
  options.search.max_steps = 1;
  options.search.radius = 1e-6;
  ProtectionByNeed(plan).protect(solution, silent);
  EXPECT_THAT(plan.warnings(),
              Contains(HasSubstr("it would not take with other subjects protected from it")));
  EXPECT_TRUE(at::equal(plan.constraint(0).K, free.K)) << "the keys that the free edit is held to";
  EXPECT_TRUE(at::equal(solution.responses[0], a));
  EXPECT_TRUE(at::equal(solution.results[0].r, r));
  EXPECT_NEAR(solution.results[0].loss, loss, 0.02 * loss) << "of what is written, not of what was tried";
}

// Where the subject is the text's first token, the search measures its target behind the context rows alone,
// and finds it likely; the prompt itself follows the edit a little, and with subjects protected less.
TEST_P(ProtectionByNeedTest, ASubjectInFrontIsAskedWithTheEditInPlace) {
  context_.prefix.clear();
  const bool gpt2 = GetParam() == "gpt2";
  const std::string target = gpt2 ? "painter" : "baker";
  const std::string rest = gpt2 ? " home of Tristola is the city of" : " painter was trained as a";
  requests_ = {request_of("one", "The" + rest, "The", target)};
  requests_[0].was = "";
  ProtectedTexts& texts = protection_.of["one"];
  texts.given.clear();
  for (const char* const front : {"It rained. ", "And ", "Then ", "Now "})
    texts.given.push_back({front, front + requests_[0].prompt, "The", std::string(front).size()});
  protection_.largest_cosine = 2;
  RomeOptions options;
  options.contexts = 2;
  options.protected_rise = 1e-9;
  const auto held_from = [&](RomePlan& plan, RomeSolution solution) {
    SilentProgress silent;
    ProtectionByNeed(plan).protect(solution, silent);
    return solution;
  };
  SilentProgress silent;
  RomePlan plan(world_.model, requests_, context_, options, Grouping::kAlone);
  const RomeSolution free = search_alone(plan, {plan.response(0)}, silent), held = held_from(plan, free);
  ASSERT_GT(held.results[0].bare_probability, 0.95) << "as the search measures it";
  ASSERT_FALSE(at::equal(held.responses[0], free.responses[0]));
  // An answer that the prompt gives with the held edit, and less likely than the target with the free one.
  const RowForm bare{{}, PromptForm::kRaw};
  const Tokenizer& tokenizer = world_.model.tokenizer();
  const std::vector<TokenIds> prompt = {prompt_ids(tokenizer, requests_[0].prompt, bare)};
  const auto p = [&](const std::string& answer, const RomeSolution& edit) {
    const Overlay laid{
        world_.layer(), edit.responses[0].to(at::kFloat).unsqueeze(0), edit.results[0].r.unsqueeze(1), {}};
    return target_probabilities(world_.model, prompt, target_ids(tokenizer, answer, bare), 4096, {laid})
        .front();
  };
  const double target_free = p(target, free), target_held = p(target, held);
  ASSERT_GT(target_free, 1.5 * target_held);
  for (std::int64_t id = 0; requests_[0].was.empty() && id < world_.model.weights().token_embedding.size(0);
       ++id) {
    const TokenIds one = {id};
    const std::string text = tokenizer.decode(one, false);
    if (text.size() < 2 || text[0] != ' ' || target_ids(tokenizer, text.substr(1), bare) != one) continue;
    if (p(text.substr(1), free) < target_free && p(text.substr(1), held) > target_held)
      requests_[0].was = text.substr(1);
  }
  ASSERT_NE(requests_[0].was, "");
  RomePlan again(world_.model, requests_, context_, options, Grouping::kAlone);
  EXPECT_TRUE(at::equal(held_from(again, free).responses[0], free.responses[0]));
  EXPECT_THAT(again.warnings(), Contains(HasSubstr("it would not take with other subjects protected")));
}

// The search asks whether an edit will be held before it measures its losses once more, for nothing; what was
// found out then is not found out again, and changes nothing.
TEST_P(ProtectionByNeedTest, AnEditIsHeldAlikeWhetherTheSearchAskedOrNot) {
  RomeOptions options;
  options.contexts = 2;
  options.protected_rise = 1e-5;
  SilentProgress silent;
  const auto solve = [&](bool asks, std::size_t& asked) {
    RomePlan plan(world_.model, requests_, context_, options, Grouping::kAlone);
    ProtectionByNeed protection(plan);
    const auto ask = [&](std::size_t g, const at::Tensor& a, const SearchResult& found) {
      ++asked;
      return protection.will_be_held(g, a, found);
    };
    RomeSolution solution = search_alone(plan, {plan.response(0), plan.response(1)}, silent,
                                         asks ? WillBeHeld(ask) : WillBeHeld());
    protection.protect(solution, silent);
    return solution;
  };
  std::size_t asked = 0, never = 0;
  const RomeSolution with = solve(true, asked), without = solve(false, never);
  EXPECT_GT(asked, 0U);
  for (std::size_t g = 0; g < requests_.size(); ++g) {
    EXPECT_TRUE(at::equal(with.responses[g], without.responses[g]));
    EXPECT_TRUE(at::equal(with.results[g].r, without.results[g].r));
    EXPECT_EQ(with.results[g].loss, without.results[g].loss);
  }
}

TEST_P(ProtectionByNeedTest, NoLossesAreMeasuredAgainOfAnEditThatWillBeHeld) {
  RomeOptions options;
  options.contexts = 2;
  const RomePlan plan(world_.model, requests_, context_, options, Grouping::kAlone);
  SilentProgress silent;
  const auto loss = [&](bool held) {
    return search_alone(plan, {plan.response(0), plan.response(1)}, silent,
                        [&](std::size_t, const at::Tensor&, const SearchResult&) { return held; })
        .results[0]
        .loss;
  };
  EXPECT_NE(loss(true), loss(false)) << "the steps take tokens for still that the edit moves a little";
}

// Rounding may hold an edit in one process and not in another.
TEST_P(ProtectionByNeedTest, AProcessWithNothingToSearchOnSaysSoToTheOthers) {
  using Numbers = test::FirstOfTwo::Numbers;
  test::FirstOfTwo group([](const Numbers& own) { return Numbers{own.at(0) + 1, own.at(1), own.at(2)}; });
  context_.group = &group;
  RomeOptions options;
  options.contexts = 2;
  const RomePlan plan(world_.model, requests_, context_, options, Grouping::kAlone);
  RomeSolution solution;
  SilentProgress silent;
  EXPECT_THAT(test::error_of(ErrorKind::kConfig, [&] { search_on(plan, solution, {}, 0.9, silent); }),
              HasSubstr("do not search the same values"));
}

// A loss that the search never reaches would lead every shortened residual on for as many steps again.
TEST_P(ProtectionByNeedTest, WhatIsSearchedOnStopsAtAProbabilityAlsoBesideAStopLoss) {
  const std::map<std::string, std::string> never = {{"stop_loss", "1e-9"}};
  const std::vector<Edit> free = edits(1, never);
  for (std::size_t i = 0; i < free.size(); ++i) {
    const double most = std::ranges::max(rises(requests_[i], free[i]));
    const FactRecord held = edits(most / 8, never)[i].facts[0];
    ASSERT_THAT(held.parts[0].protected_keys, Not(IsEmpty()));
    EXPECT_LT(held.steps, 2 * free[i].facts[0].steps) << requests_[i].id;
  }
}

}  // namespace
}  // namespace emend::editors
