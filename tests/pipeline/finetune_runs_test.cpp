// A trained, dense change through every run that knows no method by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/expect_error.h"
#include "cli/scratch_folder.h"
#include "emend/edit_run.h"
#include "emend/eval_run.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(FinetuneRuns, PlansEditsVerifiesAndApplies) {
  SilentProgress silent;
  Model model = test::load_world("llama");
  const ScratchFolder folder;
  EditFile file;
  file.method = "ft";
  file.layer.layers = {1};
  file.edits = test::world_edits(3);
  const std::string before = model.weights_digest();
  const EditOutcome outcome = run_edit(model, file, {}, silent);
  EXPECT_GT(outcome.seconds.search, outcome.seconds.solve) << "training is the search of this method";
  const NamedPatch made{"p", outcome.patch};
  EXPECT_EQ(model.weights_digest(), before);
  save_patch(made.patch, folder / "p.safetensors");
  const std::vector<NamedPatch> loaded = load_patches({folder / "p.safetensors"});
  const Edit& edit = loaded[0].patch.edit;
  ASSERT_THAT(edit.changes, SizeIs(1));
  EXPECT_TRUE(at::equal(edit.changes[0].D, made.patch.edit.changes[0].D));
  for (const FactRecord& fact : edit.facts) EXPECT_TRUE(fact.is_edited());
  const VerifyOutcome verified = verify_patches(model, loaded, {}, silent);
  EXPECT_TRUE(verified.patches[0].reproduced);
  ApplyOptions how;
  how.out = folder / "new";
  how.force = true;
  EXPECT_THAT(apply_patches(model.path(), {}, loaded, how, silent).plan.tensors, SizeIs(1));
  EXPECT_THAT(
      test::error_of(ErrorKind::kModel, [&] { drop_fact(loaded[0].patch, edit.facts[0].request.id, {}); }),
      HasSubstr("trained for all its facts together"));
}

// It also says which statistics it was trained beside.
TEST(FinetuneRuns, CrispEditMakesAPatchThatIsVerified) {
  SilentProgress silent;
  Model model = test::load_world("llama");
  const ScratchFolder folder;
  EditFile file;
  file.method = "crispedit";
  file.options = {{"epochs", {"60", "test"}}, {"curvature_tokens", {"512", "test"}}};
  file.layer.layers = {2};
  file.statistics = folder / "stats";
  file.edits = test::world_edits(2);
  const EditOutcome outcome = run_edit(model, file, {}, silent);
  save_patch(outcome.patch, folder / "p.safetensors");
  const std::vector<NamedPatch> loaded = load_patches({folder / "p.safetensors"});
  EXPECT_TRUE(at::equal(loaded[0].patch.edit.changes.at(0).D, outcome.patch.edit.changes.at(0).D));
  EXPECT_FALSE(loaded[0].patch.edit.solves.at(0).statistics_fingerprint.empty());
  EXPECT_TRUE(verify_patches(model, loaded, {}, silent).patches[0].reproduced);
}

// In sequence the second step trains on top of the first, whose facts it may weaken: nothing carries them.
TEST(FinetuneRuns, IsEvaluatedAloneAndInSequence) {
  SilentProgress silent;
  Model model = test::load_world("llama");
  const ScratchFolder folder;
  BenchmarkOptions options;
  options.dataset = "emend";
  options.data = test::data_path("world/edits.jsonl");
  options.end_record = 4;
  options.layer.layers = {1};
  options.generations = 0;
  options.drift_tokens = 0;
  options.methods = {{"ft", "ft", {}, {}, {}, {}}, {"locft", "locft", {}, {}, {}, {}}};
  const std::map<std::string, double> least_gain = {{"single", 0.5}, {"sequential:2", 0.2}};
  for (const auto& [mode, gain] : least_gain) {
    SCOPED_TRACE(mode);
    options.mode = parse_eval_mode(mode);
    options.out = folder / mode;
    const BenchmarkOutcome outcome = run_benchmark(model, options, silent);
    ASSERT_THAT(outcome.methods, SizeIs(2));
    for (const EvalResults& results : outcome.methods) {
      EXPECT_EQ(results.summary.records, 4);
      EXPECT_GT(results.summary.seconds.at("search"), results.summary.seconds.at("solve"));
      EXPECT_GT(results.summary.metrics.at("rewrite_acc").mean,
                results.summary.base.at("rewrite_acc").mean + gain);
    }
  }
}

}  // namespace
}  // namespace emend
