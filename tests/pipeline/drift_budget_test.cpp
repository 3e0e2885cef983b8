// Facts that are added until held text has drifted too far.
#include "pipeline/drift_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/expect_error.h"
#include "base/files.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "reports/budget_report.h"
#include "support/shared_statistics.h"
#include "support/stop_at.h"
#include "support/world.h"

namespace emend {
namespace {

using test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Budget : public ::testing::Test {
 protected:
  static constexpr double kEndless = 1e6;

  Budget() : model_(test::load_world("llama")) {
    file_.method = "bulk";
    file_.options["rounds"] = {"2", "test"};
    file_.layer.layers = {1, 2};
    file_.statistics = test::shared_statistics();
    file_.edits = test::world_edits(5);
    options_.budget = DriftBudget{DriftBudget::Measure::kPerplexity, kEndless, 2};
  }
  EditOutcome run() { return run_edit(model_, file_, options_, silent_); }
  static std::vector<std::string> ids(const std::vector<FactRecord>& facts) {
    std::vector<std::string> all;
    for (const FactRecord& fact : facts) all.push_back(fact.request.id);
    return all;
  }
  std::vector<std::string> ids(std::size_t begin, std::size_t end) const {
    std::vector<std::string> some;
    for (std::size_t i = begin; i < end; ++i) some.push_back(file_.edits[i].id);
    return some;
  }

  SilentProgress silent_;
  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
  EditRunOptions options_;
};

TEST_F(Budget, WithoutAnEndAllFactsAreInAndTheModelIsAsItWas) {
  const std::string before = model_.weights_digest();
  const EditOutcome outcome = run();
  EXPECT_EQ(model_.weights_digest(), before);
  ASSERT_TRUE(outcome.budget.has_value());
  EXPECT_EQ(outcome.budget->in, 5u);
  EXPECT_THAT(outcome.budget->left_out, IsEmpty());
  EXPECT_FALSE(outcome.budget->exceeded.has_value());
  EXPECT_EQ(ids(outcome.patch.edit.facts), ids(0, 5));
  for (const FactRecord& fact : outcome.patch.edit.facts) {
    EXPECT_TRUE(fact.is_edited()) << fact.request.id;
    ASSERT_TRUE(fact.before && fact.after) << fact.request.id;
    EXPECT_EQ(fact.after->id, fact.request.id);
  }
  // The drift that the patch was checked with.
  const auto drift = std::find_if(outcome.patch.checks.begin(), outcome.patch.checks.end(),
                                  [](const CheckResult& check) { return check.name == "drift"; });
  ASSERT_NE(drift, outcome.patch.checks.end());
  ASSERT_TRUE(drift->value.has_value());
  EXPECT_NEAR(*drift->value, outcome.budget->drift, 1e-3);
  save_patch(outcome.patch, folder_ / "p.safetensors");  // refuses what is not whole
}

TEST_F(Budget, WhatIsInStaysWithinAndTheRestIsNamed) {
  options_.budget = DriftBudget{DriftBudget::Measure::kKl, 1000, 1};
  const double whole = run().budget->drift;
  ASSERT_GT(whole, 0);
  options_.budget->limit = 0.6 * whole;
  const EditOutcome outcome = run();
  const BudgetOutcome& budget = *outcome.budget;
  ASSERT_GT(budget.in, 0u);
  ASSERT_LT(budget.in, 5u);
  EXPECT_LE(budget.drift, options_.budget->limit);
  ASSERT_TRUE(budget.exceeded.has_value());
  EXPECT_GT(*budget.exceeded, options_.budget->limit);
  EXPECT_EQ(budget.left_out, ids(budget.in, 5));
  EXPECT_EQ(ids(outcome.patch.edit.facts), ids(0, budget.in));
}

TEST_F(Budget, AFactWhoseSearchFailsIsNotIn) {
  file_.options["steps"] = {"12", "test"};
  EditRequest lost = file_.edits[2];
  lost.id = "lost";
  lost.prompt = "Dagond Gemidge stands in";
  lost.subject = "Dagond Gemidge";
  lost.subject_begin = 0;
  lost.target = "jjj www vvv";
  lost.was.clear();
  lost.paraphrases.clear();
  lost.neighbours.clear();
  file_.edits.insert(file_.edits.begin() + 3, lost);
  options_.keep_going = true;
  const EditOutcome outcome = run();
  EXPECT_EQ(failed_ids(outcome.patch.edit), std::vector<std::string>{"lost"});
  EXPECT_EQ(outcome.budget->in, 5u);
  EXPECT_THAT(outcome.budget->failed, ElementsAre("lost"));
  EXPECT_THAT(outcome.budget->left_out, IsEmpty());
  EXPECT_THAT(budget_text(*outcome.budget),
              AllOf(HasSubstr("5 of 6 facts are in"), HasSubstr("Failed, and not in: lost")));
  EXPECT_EQ(budget_json(outcome.budget).at("failed").dump(), "[\"lost\"]");

  file_.edits = {lost};  // nothing is left out, and nothing is written
  const EditOutcome none = run();
  EXPECT_EQ(none.budget->in, 0u);
  EXPECT_THAT(none.patch.edit.facts, SizeIs(1));
  EXPECT_THAT(none.patch.edit.changes, IsEmpty());
}

TEST(DriftTexts, TellBudgetAndDriftApart) {
  DriftBudget budget{DriftBudget::Measure::kPerplexity, 1.0005, 1};
  EXPECT_THAT(drift_texts(budget, {1.0003}), ElementsAre("1.0005", "1.0003"));
  EXPECT_THAT(drift_texts(budget, {1}), ElementsAre("1.0005", "1.0000"));
  EXPECT_THAT(drift_texts(budget, {1.00049, 1.2}), ElementsAre("1.00050", "1.00049", "1.20000"));
  budget.limit = 1;
  EXPECT_THAT(drift_texts(budget, {1.000004}), ElementsAre("1.000000", "1.000004"));
  budget.limit = 1.05;
  EXPECT_THAT(drift_texts(budget, {1.023}), ElementsAre("1.050", "1.023"));
  budget = {DriftBudget::Measure::kKl, 0.0002, 1};
  EXPECT_THAT(drift_texts(budget, {0.00019996}), ElementsAre("0.00020000", "0.00019996"));
  EXPECT_THAT(drift_texts(budget, {3.2e-7}), ElementsAre("0.0002000", "3.200e-07"));
}

TEST_F(Budget, WhereNoFactFitsNothingIsChanged) {
  options_.budget = DriftBudget{DriftBudget::Measure::kKl, 0, 0};
  const std::string before = model_.weights_digest();
  const EditOutcome outcome = run();
  EXPECT_EQ(model_.weights_digest(), before);
  EXPECT_EQ(outcome.budget->in, 0u);
  EXPECT_EQ(outcome.budget->drift, 0);
  EXPECT_EQ(outcome.budget->left_out, ids(0, 5));
  EXPECT_THAT(outcome.patch.edit.changes, IsEmpty());
  EXPECT_THAT(outcome.patch.edit.facts, IsEmpty());
}

TEST_F(Budget, AddsToAnEarlierPatch) {
  const std::vector<EditRequest> all = file_.edits;
  file_.edits = {all[0], all[1]};
  save_patch(run().patch, folder_ / "below.safetensors");
  file_.edits = {all[2], all[3], all[4]};
  options_.on = folder_ / "below.safetensors";
  const EditOutcome outcome = run();
  EXPECT_EQ(outcome.budget->in, 3u);
  EXPECT_THAT(ids(outcome.patch.edit.facts),
              ElementsAre(all[0].id, all[1].id, all[2].id, all[3].id, all[4].id));
  EXPECT_FALSE(outcome.patch.edit.replaces_earlier);
  options_.budget = DriftBudget{DriftBudget::Measure::kKl, 0,
                                1};  // the facts below stay in their patch, and nothing is added
  const EditOutcome none = run();
  EXPECT_EQ(none.budget->in, 0u);
  EXPECT_THAT(none.patch.edit.changes, IsEmpty());
}

TEST_F(Budget, GoesOnWhereItWasStopped) {
  file_.options["gradient_tokens"] = {"1", "test"};
  save_patch(run().patch, folder_ / "p.safetensors");
  options_.run_file = folder_ / "p.run";
  options_.run_file_seconds = 0;
  test::StopInSearch count(-1);
  run_edit(model_, file_, options_, count);
  std::filesystem::remove(options_.run_file);
  test::StopInSearch stop(count.seen() / 2);
  EXPECT_THROW(run_edit(model_, file_, options_, stop), Error);
  ASSERT_TRUE(std::filesystem::exists(options_.run_file));
  options_.resume = true;
  const EditOutcome outcome = run();
  EXPECT_GT(outcome.resumed_values, 0);
  save_patch(outcome.patch, folder_ / "q.safetensors");
  EXPECT_EQ(read_text_file(folder_ / "q.safetensors"), read_text_file(folder_ / "p.safetensors"));
  options_.budget->limit = 2;
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { run(); }), HasSubstr("differs in the drift budget"));
}

TEST_F(Budget, WhatCannotBeIsRefusedBeforeAnyWork) {
  class NothingBegins : public SilentProgress {
   public:
    void begin(std::string_view stage, std::int64_t, std::string_view) override { ADD_FAILURE() << stage; }
  } idle;
  const auto refusal = [&](ErrorKind kind) {
    return error_of(kind, [&] { run_edit(model_, file_, options_, idle); });
  };
  options_.budget->limit = 0.9;
  EXPECT_THAT(refusal(ErrorKind::kUsage), AllOf(HasSubstr("budget-drift"), HasSubstr("0.9")));
  options_.budget->limit = 1.1;
  options_.budget->batch = -1;
  EXPECT_THAT(refusal(ErrorKind::kUsage), HasSubstr("batch of a drift budget"));
  options_.budget->batch = 0;
  file_.method = "rome";
  file_.options.clear();
  file_.layer.layers = {2};
  EXPECT_THAT(refusal(ErrorKind::kConfig), AllOf(HasSubstr("rome"), HasSubstr("does not carry")));
}

TEST_F(Budget, WithoutTextThereIsNoBudget) {
  file_.method = "memit";
  file_.options["preserve"] = {"identity", "test"};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { run(); }),
              AllOf(HasSubstr("budget-drift has no text"), HasSubstr("drift_text")));
  file_.drift_text = {"Workis Tellond was trained as a stone cutter. Workis Tellond makes music."};
  EXPECT_EQ(run().budget->in, 5u);
}

}  // namespace
}  // namespace emend
