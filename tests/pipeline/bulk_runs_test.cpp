// Many facts over two layers, and more facts onto them, through every run that knows no method by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/eval_run.h"
#include "emend/patch_run.h"
#include "eval/results/results_file.h"
#include "support/keep_notes.h"
#include "support/shared_statistics.h"
#include "support/world.h"

namespace emend {
namespace {

using test::error_of;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class BulkRuns : public ::testing::Test {
 protected:
  BulkRuns() : model_(test::load_world("llama")) {
    file_.method = "memit";
    file_.layer.layers = {1, 2};
    file_.statistics = test::shared_statistics();
    all_ = test::world_edits(5);
  }
  NamedPatch edited(std::size_t begin, std::size_t end, const std::filesystem::path& on = {}) {
    file_.edits.assign(all_.begin() + static_cast<std::ptrdiff_t>(begin),
                       all_.begin() + static_cast<std::ptrdiff_t>(end));
    options_.on = on;
    return {"p", run_edit(model_, file_, options_, silent_).patch};
  }
  static at::Tensor delta(const Edit& edit, std::size_t change) {
    return edit.changes.at(change).delta(at::TensorOptions(at::kDouble));
  }

  SilentProgress silent_;
  Model model_;
  const ScratchFolder folder_;
  EditFile file_;
  EditRunOptions options_;
  std::vector<EditRequest> all_;
};

TEST_F(BulkRuns, EditsVerifiesAppliesAndDrops) {
  const std::string before = model_.weights_digest();
  save_patch(edited(0, 3).patch, folder_ / "p.safetensors");
  EXPECT_EQ(model_.weights_digest(), before);
  const std::vector<NamedPatch> loaded = load_patches({folder_ / "p.safetensors"});
  const Edit& edit = loaded[0].patch.edit;
  ASSERT_THAT(edit.changes, SizeIs(2));
  EXPECT_EQ(edit.solves[0].rule, SolveRule::kLeastSquares);
  EXPECT_GT(edit.solves[0].lambda, 0);
  const VerifyOutcome verified = verify_patches(model_, loaded, {}, silent_);
  EXPECT_TRUE(verified.patches[0].reproduced);
  ASSERT_THAT(verified.patches[0].update_not_checked, SizeIs(2));
  EXPECT_EQ(verified.patches[0].update_not_checked[1].weight.block, 2);
  ApplyOptions how;
  how.out = folder_ / "new";
  how.force = true;
  EXPECT_THAT(apply_patches(model_.path(), {}, loaded, how, silent_).plan.tensors, SizeIs(2));

  LayerMoments moments;
  const Statistics statistics = load_statistics(model_, {1, 2}, loaded[0].patch.prefix, file_.statistics);
  for (const auto& [layer, its] : statistics.layers) moments[layer] = its.C;
  // What is left is the solution for the keys and residuals that are left.
  const Patch dropped = drop_fact(loaded[0].patch, edit.facts[2].request.id, moments);
  const Patch twice = drop_fact(dropped, edit.facts[1].request.id, moments);
  const Patch other_order = drop_fact(drop_fact(loaded[0].patch, edit.facts[1].request.id, moments),
                                      edit.facts[2].request.id, moments);
  EXPECT_LT((delta(twice.edit, 0) - delta(other_order.edit, 0)).norm().item<double>(),
            1e-6 * delta(twice.edit, 0).norm().item<double>());
}

TEST_F(BulkRuns, DroppingWhatWasAddedGivesThePatchBelow) {
  save_patch(edited(0, 3).patch, folder_ / "below.safetensors");
  const Patch below = load_patch(folder_ / "below.safetensors");
  const Patch more = edited(3, 4, folder_ / "below.safetensors").patch;
  ASSERT_THAT(more.edit.facts, SizeIs(4));
  EXPECT_EQ(more.edit.facts[0].request.id, all_[0].id);
  EXPECT_EQ(more.edit.facts[3].request.id, all_[3].id);
  for (const FactRecord& fact : more.edit.facts) {
    ASSERT_TRUE(fact.before && fact.after) << fact.request.id;
    if (fact.is_edited()) {
      EXPECT_GT(fact.after->prompt.p_target, fact.before->prompt.p_target);
    }
  }
  EXPECT_FALSE(more.edit.replaces_earlier);
  LayerMoments moments;
  const Statistics statistics = load_statistics(model_, {1, 2}, more.prefix, file_.statistics);
  for (const auto& [layer, its] : statistics.layers) moments[layer] = its.C;
  const Patch dropped = drop_fact(more, all_[3].id, moments);
  for (const std::size_t change : {0u, 1u})
    EXPECT_LT((delta(dropped.edit, change) - delta(below.edit, change)).norm().item<double>(),
              1e-6 * delta(below.edit, change).norm().item<double>());
  save_patch(more, folder_ / "more.safetensors");
  EXPECT_TRUE(verify_patches(model_, load_patches({folder_ / "more.safetensors"}), {}, silent_)
                  .patches[0]
                  .reproduced);
}

TEST_F(BulkRuns, AFactOfThePatchBelowThatIsAskedForAgainIsHeldOnce) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  const Patch more = edited(0, 3, folder_ / "below.safetensors").patch;
  ASSERT_THAT(more.edit.facts, SizeIs(3));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(more.edit.facts[i].request.id, all_[i].id);
    EXPECT_TRUE(more.edit.facts[i].is_edited()) << all_[i].id;
    ASSERT_TRUE(more.edit.facts[i].before && more.edit.facts[i].after) << all_[i].id;
    EXPECT_EQ(more.edit.facts[i].before->id, all_[i].id);
  }
  save_patch(more, folder_ / "more.safetensors");
  EXPECT_THAT(load_patch(folder_ / "more.safetensors").edit.facts, SizeIs(3));
}

TEST_F(BulkRuns, AFactOfThePatchBelowGivesWayToAnotherOneThatIsTrueAlready) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  EditRequest other = all_[1];  // true with the patch below, under the id of its first fact
  other.id = all_[0].id;
  all_ = {other, all_[2]};
  const Patch more = edited(0, 2, folder_ / "below.safetensors").patch;
  std::vector<std::string> prompts;
  for (const FactRecord& fact : more.edit.facts) prompts.push_back(fact.request.prompt);
  EXPECT_THAT(prompts, UnorderedElementsAre(all_[0].prompt, all_[1].prompt));
  for (const FactRecord& fact : more.edit.facts) EXPECT_TRUE(fact.is_edited()) << fact.request.id;
}

TEST_F(BulkRuns, WhereNothingIsLeftToDoTheFactsAreShownAsThePatchBelowHasThem) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  options_.on = folder_ / "below.safetensors";
  const EditOutcome outcome = run_edit(model_, file_, options_, silent_);
  EXPECT_TRUE(outcome.nothing_to_do);
  ASSERT_THAT(outcome.patch.edit.facts, SizeIs(2));
  for (const FactRecord& fact : outcome.patch.edit.facts) {
    EXPECT_EQ(fact.status, FactStatus::kAlreadyTrue);
    ASSERT_TRUE(fact.before && fact.after) << fact.request.id;
    EXPECT_FALSE(fact.before->prompt.argmax_target) << fact.request.id;
    EXPECT_TRUE(fact.after->prompt.argmax_target) << fact.request.id;
  }
}

TEST_F(BulkRuns, AMethodThatDoesNotCarryIsRefused) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  file_.method = "rome";
  file_.layer.layers = {2};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edited(2, 3, folder_ / "below.safetensors"); }),
              AllOf(HasSubstr("rome"), HasSubstr("does not carry")));
}

TEST_F(BulkRuns, APatchThatCannotBeBuiltOnIsRefusedBeforeLayersAndStatisticsAreSought) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  class OnlyRefused : public SilentProgress {
   public:
    void begin(std::string_view stage, std::int64_t, std::string_view) override { ADD_FAILURE() << stage; }
    void note(std::string_view text) override { ADD_FAILURE() << text; }
  } idle;
  file_.edits = {all_[2]};
  file_.layer.layers = {};  // auto
  file_.statistics = folder_ / "no_stats";
  options_.on = folder_ / "below.safetensors";
  file_.method = "rome";
  const auto run = [&] { run_edit(model_, file_, options_, idle); };
  const auto plan = [&] { plan_edit(model_, file_, options_, idle); };
  EXPECT_THAT(error_of(ErrorKind::kConfig, run), HasSubstr("does not carry"));
  EXPECT_THAT(error_of(ErrorKind::kConfig, plan), HasSubstr("does not carry"));
  file_.method = "memit";
  options_.on = folder_ / "none.safetensors";
  EXPECT_THAT(error_of(ErrorKind::kIo, run), HasSubstr("none.safetensors"));
}

// The first edit leaves the statistics of one layer; the next one adds those of another, of its own text.
TEST_F(BulkRuns, AFolderOfStatisticsThatIsFilledInStepsServesLaterEdits) {
  file_.statistics = folder_ / "stats";
  file_.layer.layers = {1};
  options_.seed = 3;
  edited(4, 5);
  options_.seed = 0;
  file_.layer.layers = {1, 2};
  file_.edits = {all_[0], all_[1]};
  EXPECT_THAT(plan_edit(model_, file_, options_, silent_).layers_without_statistics, ElementsAre(2));
  const EditOutcome outcome = run_edit(model_, file_, options_, silent_);
  const std::vector<WeightSolve>& solves = outcome.patch.edit.solves;
  ASSERT_THAT(solves, SizeIs(2));
  EXPECT_NE(solves[0].statistics_fingerprint, solves[1].statistics_fingerprint);
  ASSERT_THAT(outcome.statistics, SizeIs(2));
  EXPECT_EQ(outcome.statistics[0].source, "self, seed 3");
  EXPECT_EQ(outcome.statistics[1].source, "self, seed 0");
  EXPECT_EQ(outcome.statistics[0].fingerprint, solves[0].statistics_fingerprint);
  save_patch(outcome.patch, folder_ / "below.safetensors");
  EXPECT_THAT(edited(2, 3, folder_ / "below.safetensors").patch.edit.facts, SizeIs(3));
  const ComposeOptions how{.statistics = file_.statistics};
  EXPECT_THAT(
      drop_edit(model_, load_patches({folder_ / "below.safetensors"}).front(), all_[0].id, how, silent_)
          .patch.edit.facts,
      SizeIs(1));
}

TEST_F(BulkRuns, StatisticsThatAreNotThoseOfThePatchBelowAreNotKept) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  file_.statistics = folder_ / "other_stats";
  options_.seed = 5;  // of the text that the statistics are collected from
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { edited(2, 3, folder_ / "below.safetensors"); }),
              HasSubstr("other statistics"));
  EXPECT_TRUE(!std::filesystem::exists(file_.statistics) || std::filesystem::is_empty(file_.statistics));
}

TEST_F(BulkRuns, APatchOfOtherLayersOrStatisticsIsRefusedBeforeFactsAreMeasured) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  const std::filesystem::path own = file_.statistics;
  file_.statistics = folder_ / "other_stats";
  options_.seed = 5;  // of the text that the statistics are collected from
  edited(0, 1);
  class NothingMeasured : public SilentProgress {
   public:
    void begin(std::string_view stage, std::int64_t, std::string_view) override { ADD_FAILURE() << stage; }
  } idle;
  file_.edits = {all_[2]};
  options_.on = folder_ / "below.safetensors";
  const auto run = [&] { run_edit(model_, file_, options_, idle); };
  EXPECT_THAT(error_of(ErrorKind::kConfig, run),
              AllOf(HasSubstr("below.safetensors"), HasSubstr("other statistics")));
  file_.statistics = own;
  file_.layer.layers = {2};
  EXPECT_THAT(error_of(ErrorKind::kConfig, run), HasSubstr("not among the layers of this edit"));
  file_.layer.layers = {1, 2};
  file_.options["preserve"] = {"identity", "test"};
  EXPECT_THAT(error_of(ErrorKind::kConfig, run), HasSubstr("other statistics"));
}

TEST_F(BulkRuns, WithoutStatisticsTheWarningOfDriftNamesNoOption) {
  file_.options["preserve"] = {"identity", "test"};
  const std::vector<std::string> warnings = edited(0, 1).patch.edit.warnings;
  ASSERT_THAT(warnings, SizeIs(1));
  EXPECT_THAT(warnings[0], HasSubstr("drift is not measured: the method uses no statistics (C = I), so"));
}

TEST_F(BulkRuns, LayersOutOfOrderAreWrittenFromBelowAndANoteSaysSo) {
  file_.edits = {all_[0]};
  test::KeepNotes ascending, descending;
  EXPECT_THAT(plan_edit(model_, file_, options_, ascending).layers, ElementsAre(1, 2));
  file_.layer.layers = {2, 1};
  EXPECT_THAT(plan_edit(model_, file_, options_, descending).layers, ElementsAre(1, 2));
  const auto told = HasSubstr("layers are written from below, whatever their order in the list: layers 1, 2");
  EXPECT_THAT(descending.notes, Contains(told));
  EXPECT_THAT(ascending.notes, Not(Contains(told)));
}

TEST_F(BulkRuns, APlanOnAPatchIsRefusedAsTheEditIs) {
  save_patch(edited(0, 2).patch, folder_ / "below.safetensors");
  const std::string before = model_.weights_digest();
  file_.edits = {all_[2]};
  options_.on = folder_ / "below.safetensors";
  EXPECT_THAT(plan_edit(model_, file_, options_, silent_).plan.entries, SizeIs(1));
  EXPECT_EQ(model_.weights_digest(), before);
  file_.layer.layers = {2};
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan_edit(model_, file_, options_, silent_); }),
              HasSubstr("not among the layers of this edit"));
}

TEST_F(BulkRuns, AMemoryThatDoesNotSufficeIsRefusedWithTheNumbersBeforeAnyWork) {
  class NothingBegins : public SilentProgress {
   public:
    void begin(std::string_view stage, std::int64_t, std::string_view) override { ADD_FAILURE() << stage; }
  } idle;
  file_.edits = all_;
  options_.memory_bytes = 20'000'000;
  const auto numbers =
      AllOf(HasSubstr("5 facts over 2 layers needs"), HasSubstr("the option memory allows 20"),
            HasSubstr("second moments"), HasSubstr("a solve"));
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { run_edit(model_, file_, options_, idle); }), numbers);
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan_edit(model_, file_, options_, idle); }), numbers);
}

TEST_F(BulkRuns, WithinALimitTheFactsHold) {
  file_.edits = all_;
  options_.memory_bytes = 1'000'000'000;
  const PlanOutcome plan = plan_edit(model_, file_, options_, silent_);
  ASSERT_TRUE(plan.memory.has_value());
  EXPECT_LE(plan.memory->bytes(), options_.memory_bytes);
  for (const FactRecord& fact : edited(0, 5).patch.edit.facts) EXPECT_TRUE(fact.is_edited());
}

TEST_F(BulkRuns, AreBenchmarkedInBatchesAndInSequence) {
  BenchmarkOptions options;
  options.dataset = "emend";
  options.data = std::string(EMEND_TEST_DATA) + "/world/edits.jsonl";
  options.end_record = 4;
  options.methods = {{"bulk", "bulk", {}, {{1, 2}, "test"}, {}, {}}};
  options.statistics = file_.statistics;
  options.drift_tokens = 0;
  options.generations = 0;
  for (const std::string mode : {"batch:4", "sequential:2"}) {
    SCOPED_TRACE(mode);
    options.mode = parse_eval_mode(mode);
    options.out = folder_ / mode;
    const BenchmarkOutcome outcome = run_benchmark(model_, options, silent_);
    ASSERT_THAT(outcome.methods, SizeIs(1));
    const EvalResults& results = outcome.methods[0];
    EXPECT_EQ(results.summary.metrics.at("efficacy_success").mean, 1);
    EXPECT_EQ(results.summary.options.at("layer"), "1, 2");
    for (const RecordResult& record : results.records) EXPECT_THAT(record.layers, ElementsAre(1, 2));
    EXPECT_EQ(record_from_line(record_line(results.records[0]), "line").layers, results.records[0].layers);
  }
}

}  // namespace
}  // namespace emend
