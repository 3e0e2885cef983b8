// `layer: auto` without a decision: a trial by the file's own edits, kept for the next ones.
#include "pipeline/auto_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "analysis/layer_choice.h"
#include "base/expect_error.h"
#include "base/files.h"
#include "base/strings.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/patch.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Keeps what is told.
class Notes : public SilentProgress {
 public:
  void note(std::string_view text) override { told.emplace_back(text); }
  std::vector<std::string> told;
};

class AutoTrialTest : public ::testing::Test {
 protected:
  AutoTrialTest() : model_(test::load_world("gpt2")) {
    file_.statistics = folder_ / "stats";
    file_.edits = test::world_edits(6);
    context_.prefix = model_.tokenizer().automatic_prefix();
    use({{"steps", "8"}, {"contexts", "2"}});
  }
  void use(const std::map<std::string, std::string>& options) {
    file_.options.clear();
    for (const auto& [name, value] : options) file_.options[name] = {value, "test"};
    editor_ = make_editor(file_.method, file_.options);
  }
  AutoTrial trial() const { return {model_, *editor_, file_.edits, context_, file_.statistics}; }
  std::filesystem::path decision() const { return file_.statistics / "layer_decision.json"; }

  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
  EditorContext context_;
  std::unique_ptr<Editor> editor_;
  Notes notes_;
};

TEST_F(AutoTrialTest, MakesAtMostSixEditsAroundTheDepth) {
  const TrialPlan many = plan_trial(trial());
  EXPECT_THAT(many.layers, ElementsAre(1, 2, 3));
  EXPECT_THAT(many.facts, ElementsAre(0, 3)) << "spread over the file";
  file_.edits.resize(1);
  const TrialPlan one = plan_trial(trial());
  EXPECT_THAT(one.layers, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(one.facts, ElementsAre(0));
  for (const TrialPlan& plan : {many, one}) EXPECT_LE(plan.layers.size() * plan.facts.size(), kTrialEdits);
}

TEST_F(AutoTrialTest, SaysWhyThereIsNone) {
  context_.memory_bytes = 1;
  EXPECT_THAT(plan_trial(trial()).why_not, HasSubstr("limit of memory"));
  context_.memory_bytes = 0;
  file_.method = "memit";
  use({});
  EXPECT_THAT(plan_trial(trial()).why_not, HasSubstr("chooses layers of its own"));
  file_.method = "rome";
  use({});
  Statistics of_two = test::world_statistics(model_, 2, 2000);
  save_statistics(of_two, model_, context_.prefix, file_.statistics);
  const TrialPlan plan = plan_trial(trial());
  EXPECT_THAT(plan.layers, IsEmpty());
  EXPECT_THAT(plan.why_not, HasSubstr("statistics of layer 2 alone"));
}

TEST_F(AutoTrialTest, DecidesByScoresThatHoldBleed) {
  const TrialPlan plan = plan_trial(trial());
  const LayerDecision decision = try_layers(trial(), plan, notes_);
  EXPECT_EQ(decision.evidence, LayerEvidence::kTrial);
  ASSERT_EQ(decision.trial.size(), 3u);
  EXPECT_EQ(decision.layer, decision.trial.front().layer);
  EXPECT_EQ(decision.trial_facts, 2);
  for (const TrialScore& score : decision.trial) {
    EXPECT_THAT(score.parts,
                AllOf(Contains(::testing::Key("efficacy_success")), Contains(::testing::Key("bleed_worst"))));
    EXPECT_GE(score.parts.at("bleed_worst"), 0);
  }
  context_.token_budget = 300;
  const LayerDecision again = try_layers(trial(), plan, notes_);
  EXPECT_EQ(again.layer, decision.layer);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(again.trial[i].layer, decision.trial[i].layer);
    EXPECT_NEAR(again.trial[i].score, decision.trial[i].score, 0.02);
  }
}

// Of layers that do not pass, one may have the best score: bleed above a half weighs little beside full
// successes.
TEST(TakenFirst, IsTheBestOfTheLayersThatPass) {
  const auto score = [](int layer, double value, double success, double bleed) {
    return TrialScore{layer, value, 0, 2, {{"efficacy_success", success}, {"bleed_worst", bleed}}};
  };
  std::vector<TrialScore> scores = {score(4, 0.766, 1, 0.55), score(2, 0.737, 0.75, 0.3),
                                    score(3, 0.735, 0.75, 0.3)};
  put_taken_first(scores, 4);
  EXPECT_EQ(scores.front().layer, 3) << "of the two that are level, the one nearer to the depth";
  EXPECT_EQ(scores.size(), 3u);
  std::vector<TrialScore> none = {score(4, 0.766, 1, 0.55)};
  put_taken_first(none, 2);
  EXPECT_EQ(none.front().layer, 4);
}

// A file that is deployed already: no trial, no statistics, no warning.
TEST_F(AutoTrialTest, IsNotMadeWhereEveryFactIsTrueAlready) {
  for (EditRequest& request : file_.edits) {
    request.target = request.was;
    request.was.clear();
  }
  const EditOutcome outcome = run_edit(model_, file_, {}, notes_);
  ASSERT_TRUE(outcome.nothing_to_do);
  EXPECT_FALSE(outcome.trial.has_value());
  EXPECT_THAT(outcome.patch.edit.warnings, Not(Contains(HasSubstr("layer: auto"))));
  EXPECT_FALSE(std::filesystem::exists(file_.statistics));
}

TEST_F(AutoTrialTest, IsNotMadeBeforeWhatIsRefusedAnyway) {
  EditRunOptions options;
  options.budget = DriftBudget{};
  EXPECT_THROW(run_edit(model_, file_, options, notes_), Error) << "rome carries no facts";
  EXPECT_FALSE(std::filesystem::exists(file_.statistics));
  EXPECT_THAT(notes_.told, Not(Contains(HasSubstr("are tried first"))));
}

TEST_F(AutoTrialTest, WhereNoLayerPassesDepthDecidesAndAWarningSaysSo) {
  use({{"steps", "1"}, {"contexts", "0"}, {"radius", "1e-6"}});
  EditRunOptions options;
  options.keep_going = true;
  const EditOutcome outcome = run_edit(model_, file_, options, notes_);
  ASSERT_TRUE(outcome.trial.has_value());
  EXPECT_EQ(outcome.trial->evidence, LayerEvidence::kDepth);
  EXPECT_EQ(outcome.trial->layer, default_layer(model_.config()));
  EXPECT_EQ(outcome.trial->trial.size(), 3u) << "its scores are told";
  EXPECT_THAT(outcome.patch.edit.warnings, Contains(HasSubstr("at no layer that was tried")));
  EXPECT_FALSE(std::filesystem::exists(decision())) << "that is no decision to keep";
}

TEST_F(AutoTrialTest, IsKeptForTheNextEdits) {
  const EditOutcome first = run_edit(model_, file_, {}, notes_);
  ASSERT_TRUE(first.trial.has_value());
  EXPECT_GT(first.seconds.trial, 0);
  EXPECT_THAT(notes_.told,
              Contains(AllOf(HasSubstr("layers 1, 2, 3 are tried first"), HasSubstr("the time of 6 edits"))));
  EXPECT_THAT(notes_.told, Contains(AllOf(HasSubstr("It is kept in"), HasSubstr(decision().string()))));
  ASSERT_TRUE(std::filesystem::exists(decision()));
  const std::string kept = read_text_file(decision());

  Notes second_notes;
  const EditOutcome second = run_edit(model_, file_, {}, second_notes);
  EXPECT_FALSE(second.trial.has_value());
  EXPECT_THAT(second_notes.told, Contains(HasSubstr("decided by edits")));
  EXPECT_EQ(second.patch.edit.changes.at(0).weight.block, first.trial->layer);
  save_patch(first.patch, folder_ / "a");
  save_patch(second.patch, folder_ / "b");
  EXPECT_EQ(read_text_file(folder_ / "a"), read_text_file(folder_ / "b"));
  EXPECT_EQ(read_text_file(decision()), kept);

  file_.layer.where = "test: layer";  // depth
  Notes depth_notes;
  const EditOutcome by_depth = run_edit(model_, file_, {}, depth_notes);
  EXPECT_EQ(by_depth.patch.edit.changes.at(0).weight.block, default_layer(model_.config()));
  EXPECT_THAT(depth_notes.told, Not(Contains(HasSubstr("decided by edits"))));
}

TEST_F(AutoTrialTest, APlanNamesTheTrialAndWritesNothing) {
  const PlanOutcome plan = plan_edit(model_, file_, {}, notes_);
  EXPECT_THAT(plan.trial_layers, ElementsAre(1, 2, 3));
  EXPECT_THAT(plan.trial_facts, ElementsAre(file_.edits[0].id, file_.edits[3].id));
  EXPECT_THAT(plan.layers, ElementsAre(2));
  EXPECT_FALSE(std::filesystem::exists(file_.statistics));
  file_.layer.where = "test: layer";  // depth
  EXPECT_THAT(plan_edit(model_, file_, {}, notes_).trial_layers, IsEmpty());
}

// The run and the plan of a file of which a part is true already try the same edits.
TEST_F(AutoTrialTest, APlanTriesWhatTheRunTries) {
  use({{"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  file_.edits[0].target = file_.edits[0].was;
  file_.edits[0].was.clear();
  const PlanOutcome plan = plan_edit(model_, file_, {}, notes_);
  EXPECT_THAT(plan.trial_facts, ElementsAre(file_.edits[1].id, file_.edits[3].id)) << "spread over five";
  const EditOutcome run = run_edit(model_, file_, {}, notes_);
  ASSERT_TRUE(run.trial.has_value());
  EXPECT_EQ(run.trial->source, "edits of " + join(plan.trial_facts));
}

// Counts the measurements of as many prompts as the first one.
class Measurements : public SilentProgress {
 public:
  void begin(std::string_view stage, std::int64_t total, std::string_view) override {
    if (stage == "measuring facts") totals.push_back(total);
  }
  std::vector<std::int64_t> totals;
};

// A first edit measures the base to choose the facts of its trial: the edit does not do it again.
TEST_F(AutoTrialTest, TheBaseIsMeasuredOnce) {
  use({{"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  Measurements measured;
  run_edit(model_, file_, {}, measured);
  ASSERT_FALSE(measured.totals.empty());
  EXPECT_EQ(std::ranges::count(measured.totals, measured.totals.front()), 2) << "before and after the edit";
}

TEST_F(AutoTrialTest, WithoutStatisticsIsKeptForEditsWithoutStatistics) {
  use({{"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  ASSERT_TRUE(run_edit(model_, file_, {}, notes_).trial.has_value());
  EXPECT_FALSE(std::filesystem::exists(file_.statistics)) << "nobody asked for such a folder";
  EXPECT_THAT(notes_.told, Contains(HasSubstr("there is no folder")));
  std::filesystem::create_directories(file_.statistics);
  const EditOutcome first = run_edit(model_, file_, {}, notes_);
  ASSERT_TRUE(first.trial.has_value());
  EXPECT_TRUE(std::filesystem::exists(decision()));
  const EditOutcome second = run_edit(model_, file_, {}, notes_);
  EXPECT_FALSE(second.trial.has_value());
  EXPECT_EQ(second.patch.edit.changes.at(0).weight.block, first.trial->layer);
  use({{"steps", "8"}, {"contexts", "2"}});
  EXPECT_THAT(plan_edit(model_, file_, {}, notes_).trial_layers, ElementsAre(1, 2, 3))
      << "with C, other layers may be best";
}

// Else two methods in turn would move each other's layer.
TEST_F(AutoTrialTest, TheDecisionOfAnotherMethodStays) {
  use({{"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  std::filesystem::create_directories(file_.statistics);
  LayerDecision held = decide_layer(model_, context_.prefix, {}, 0, {{1, 0.9, 0, 1, {}}});
  held.method = "rome";
  save_layer_decision(held, file_.statistics);
  const std::string kept = read_text_file(decision());
  EXPECT_TRUE(run_edit(model_, file_, {}, notes_).trial.has_value());
  EXPECT_EQ(read_text_file(decision()), kept);
  EXPECT_THAT(notes_.told, Contains(AllOf(HasSubstr("The decision is not kept"), HasSubstr("holds layer 1"),
                                          HasSubstr("\"rome\""))));
}

TEST_F(AutoTrialTest, ProtectionOfWhatTheModelDoesNotNameIsTold) {
  file_.edits = {test::request_of("odd", "Workis Tellond zqx zqx zqx", "Workis Tellond", "painter")};
  file_.layer.layers = {2};
  file_.protect = Protect::kAuto;
  use({{"steps", "8"}, {"contexts", "2"}, {"covariance", "false"}});
  EditRunOptions options;
  options.keep_going = true;
  EXPECT_THAT(run_edit(model_, file_, options, notes_).patch.edit.warnings,
              Contains(HasSubstr("the model names no other subjects in the prompts of odd")));
}

// --- first_word.h

TEST_F(AutoTrialTest, ASubjectThatIsTheFirstTokenIsTriedWithWordsInFront) {
  file_.edits = {test::request_of("first", "The language of Workis Tellond is", "The", "painter")};
  file_.bos = "none";
  file_.layer.layers = {2};
  use({{"steps", "1"}, {"radius", "1e-6"}, {"contexts", "2"}, {"covariance", "false"}});
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { run_edit(model_, file_, {}, notes_); }),
              AllOf(HasSubstr("edit first: the subject is the first token of the text"),
                    HasSubstr("The language of Workis Tellond is"), HasSubstr("was tried as well")));
  EditRunOptions options;
  options.keep_going = true;
  EXPECT_THAT(run_edit(model_, file_, options, notes_).patch.edit.warnings,
              Contains(HasSubstr("edit first: the subject is the first token of the text")));
  file_.edits = {test::request_of("later", "The language of Workis Tellond is", "Workis Tellond", "painter")};
  EXPECT_THAT(test::error_of(ErrorKind::kNumeric, [&] { run_edit(model_, file_, {}, notes_); }),
              Not(HasSubstr("first token")));
}

}  // namespace
}  // namespace emend
