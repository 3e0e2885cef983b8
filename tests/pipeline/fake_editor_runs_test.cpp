// A method that is not ROME and writes two layers passes through every run that knows no method by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <new>

#include "base/expect_error.h"
#include "cli/scratch_folder.h"
#include "emend/adapter.h"
#include "emend/edit_run.h"
#include "emend/eval_run.h"
#include "emend/patch_run.h"
#include "reports/patch_report.h"
#include "support/fake_editor.h"
#include "support/world.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class FakeEditorRuns : public ::testing::Test {
 protected:
  static constexpr int kLow = 3, kHigh = 5;

  FakeEditorRuns() : model_(test::load_world("gpt2")) {
    file_.method = "spread";
    file_.options["covariance"] = {"false", "test"};
    file_.layer.layers = {kHigh, kLow};  // in any order
    file_.edits = test::world_edits(2);
    options_.editors = &editors_;
  }
  NamedPatch edited() { return {"p", run_edit(model_, file_, options_, silent_).patch}; }

  // Writes a copy of the model in place; when what was written is measured, `fail` throws.
  void write_in_place_and_fail(const std::function<void()>& fail) {
    class Failing : public SilentProgress {
     public:
      explicit Failing(const std::function<void()>& fail) : fail_(fail) {}
      void begin(std::string_view, std::int64_t, std::string_view) override { fail_(); }

     private:
      const std::function<void()>& fail_;
    } failing(fail);
    fs::copy(model_.path(), folder_ / "m", fs::copy_options::recursive);
    const Model base = Model::load(folder_ / "m", {}, silent_);
    ApplyOptions how;
    how.in_place = true;
    how.force = true;
    finish_write(prepare_write(base, {edited()}, how, silent_), {}, how, failing);
  }

  EditorTable editors_ = test::editors_with_spread();
  SilentProgress silent_;
  Model model_;
  EditFile file_;
  EditRunOptions options_;
  const ScratchFolder folder_;
};

TEST_F(FakeEditorRuns, PlansItsTwoLayers) {
  const PlanOutcome plan = plan_edit(model_, file_, options_, silent_);
  EXPECT_EQ(plan.method, "spread");
  EXPECT_THAT(plan.layers, ElementsAre(kLow, kHigh));
}

TEST_F(FakeEditorRuns, AnEndThatTheMethodCannotTeachIsRefusedByRunAndPlan) {
  file_.end = TargetEnd::kEos;
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { run_edit(model_, file_, options_, silent_); }),
              HasSubstr("does not teach the model to end its text"));
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan_edit(model_, file_, options_, silent_); }),
              HasSubstr("does not teach the model to end its text"));
}

TEST_F(FakeEditorRuns, VerifyingAllowsForTheDtypeThatThePatchWasMeasuredIn) {
  NamedPatch patch = edited();
  for (FactRecord& fact : patch.patch.edit.facts) {
    double& p = fact.after->prompt.p_target;
    p += p > 0.5 ? -0.05 : 0.05;  // between the two tolerances
  }
  patch.patch.conditions.dtype = ComputeType::kFloat32;
  EXPECT_FALSE(verify_patches(model_, {patch}, {}, silent_).patches[0].reproduced);
  patch.patch.conditions.dtype = ComputeType::kBfloat16;
  EXPECT_TRUE(verify_patches(model_, {patch}, {}, silent_).patches[0].reproduced);
}

// The checks ask for nothing: what fails is the search of one fact, and every run says so.
TEST_F(FakeEditorRuns, APatchWithAFailedFactPassesNowhere) {
  NamedPatch patch = edited();
  patch.patch.thresholds = {.efficacy = 0, .paraphrase = 0, .neighbourhood = 0, .drift = 1e9};
  ApplyOptions how;
  how.out = folder_ / "passes";
  how.force = true;
  EXPECT_TRUE(verify_patches(model_, {patch}, {}, silent_).passed);
  EXPECT_TRUE(apply_patches(model_.path(), {}, {patch}, how, silent_).passed.value());
  patch.patch.edit.facts[0].status = FactStatus::kFailed;
  EXPECT_FALSE(verify_patches(model_, {patch}, {}, silent_).passed);
  how.out = folder_ / "fails";
  EXPECT_FALSE(apply_patches(model_.path(), {}, {patch}, how, silent_).passed.value());
}

TEST_F(FakeEditorRuns, InspectingThePatchsOwnBaseSaysSoBesideAnotherBase) {
  const std::vector<NamedPatch> patches = {edited()};
  // The same tensors under another fingerprint: to the patch, another model.
  const InspectBase other{{model_.path(), model_.roles()}, "0f0f"};
  const InspectOutcome outcome = inspect_checkpoint(model_, other, patches, 4096, silent_);
  EXPECT_EQ(outcome.patches[0].presence, PatchPresence::kIsItsBase);
}

TEST_F(FakeEditorRuns, EditsVerifiesAndDrops) {
  const NamedPatch patch = edited();
  const Edit& edit = patch.patch.edit;
  ASSERT_THAT(edit.changes, SizeIs(2));
  EXPECT_EQ(edit.changes[0].weight.block, kLow);
  EXPECT_EQ(edit.changes[1].weight.block, kHigh);
  for (const FactRecord& fact : edit.facts) EXPECT_THAT(fact.parts, SizeIs(2)) << fact.request.id;

  save_patch(patch.patch, folder_ / "p.safetensors");
  const std::vector<NamedPatch> loaded = load_patches({folder_ / "p.safetensors"});
  const VerifyOutcome verified = verify_patches(model_, loaded, {}, silent_);
  EXPECT_TRUE(verified.patches[0].reproduced);
  EXPECT_THAT(verified.patches[0].update_not_checked, SizeIs(0));
  EXPECT_TRUE(check_update(loaded[0].patch).passed);

  const ComposeOutcome dropped = drop_edit(model_, loaded[0], edit.facts[0].request.id, {}, silent_);
  ASSERT_THAT(dropped.patch.edit.facts, SizeIs(1));
  ASSERT_THAT(dropped.patch.edit.changes, SizeIs(2));
  EXPECT_TRUE(check_update(dropped.patch).passed);
}

// What is measured here is of this model's type; numbers of another one are measured again beside it.
TEST_F(FakeEditorRuns, AMadePatchNamesTheTypeThatItWasMeasuredIn) {
  NamedPatch patch = edited();
  const double p = patch.patch.edit.facts[1].before->prompt.p_target;
  const std::string id = patch.patch.edit.facts[0].request.id;
  patch.patch.conditions.dtype = ComputeType::kBfloat16;
  patch.patch.edit.facts[1].before->prompt.p_target = p + 0.01;
  const Patch dropped = drop_edit(model_, patch, id, {}, silent_).patch;
  EXPECT_EQ(dropped.conditions.dtype, ComputeType::kFloat32);
  EXPECT_NEAR(dropped.edit.facts[0].before->prompt.p_target, p, 1e-5);
}

TEST_F(FakeEditorRuns, IsAppliedAndExported) {
  const NamedPatch patch = edited();
  ApplyOptions how;
  how.out = folder_ / "new";
  how.force = true;  // an editor that searches nothing need not pass the checks
  const ApplyOutcome applied = apply_patches(model_.path(), {}, {patch}, how, silent_);
  ASSERT_THAT(applied.plan.tensors, SizeIs(2));
  ASSERT_TRUE(applied.passed.has_value());
  EXPECT_EQ(*applied.passed, applied.patches.at(0).passed);
  const Model written = Model::load(applied.written, {}, silent_);
  for (const WeightChange& change : patch.patch.edit.changes) {
    const at::Tensor wanted = model_.weight(change.weight) + change.delta(at::TensorOptions(at::kFloat));
    const double gap = (written.weight(change.weight) - wanted).abs().max().item<double>();
    EXPECT_LT(gap, 1e-2 * wanted.abs().max().item<double>()) << change.weight.block;  // stored in 16 bits
  }
  const std::vector<AdapterModule> modules = peft_modules(model_, {patch.patch});
  ASSERT_THAT(modules, SizeIs(2));
  EXPECT_EQ(modules[0].block, kLow);
  const AdapterOutcome exported =
      export_adapter(model_, {patch.patch}, {AdapterFormat::kPeft, folder_ / "adapter", ""});
  EXPECT_TRUE(exported.exact);
  ASSERT_THAT(exported.modules, SizeIs(2));
  EXPECT_EQ(exported.modules[1].block, kHigh);
  EXPECT_TRUE(fs::exists(folder_ / "adapter/adapter_model.safetensors"));
}

TEST_F(FakeEditorRuns, AnOutputThatCannotBeIsRefusedBeforeTheModelIsLoaded) {
  const std::vector<NamedPatch> patches = {edited()};
  class NothingBegins : public SilentProgress {
   public:
    void begin(std::string_view stage, std::int64_t, std::string_view) override { ADD_FAILURE() << stage; }
  } idle;
  ApplyOptions how;
  how.out = folder_ / "full";
  how.force = true;
  fs::create_directories(how.out / "x");
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { apply_patches(model_.path(), {}, patches, how, idle); }),
              HasSubstr("in this folder already"));
  how.out = model_.path() / "new";
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { apply_patches(model_.path(), {}, patches, how, idle); }),
              HasSubstr("belongs to the base"));
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { prepare_write(model_, patches, how, idle); }),
              HasSubstr("belongs to the base"));
  how.out.clear();
  how.in_place = true;
  how.undo = model_.path() / "config.json";
  EXPECT_THAT(error_of(ErrorKind::kIo, [&] { apply_patches(model_.path(), {}, patches, how, idle); }),
              HasSubstr("there is such a file already"));
}

TEST_F(FakeEditorRuns, ATokenBudgetOfZeroIsThatOfTheDevice) {
  ApplyOptions how;
  how.out = folder_ / "new";
  how.force = true;
  how.token_budget = 0;
  EXPECT_TRUE(apply_patches(model_.path(), {}, {edited()}, how, silent_).passed.has_value());
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { prepare_write(model_, {edited()}, how, silent_); }),
              HasSubstr("the token budget must be at least 1, found 0"));
  how.token_budget = -1;
  EXPECT_THROW(apply_patches(model_.path(), {}, {edited()}, how, silent_), Error);
}

TEST_F(FakeEditorRuns, AnErrorAfterAWriteInPlaceNamesTheUndoFile) {
  const auto stop = [] { throw Error(ErrorKind::kInterrupted, "stopped"); };
  EXPECT_THAT(
      error_of(ErrorKind::kInterrupted, [&] { write_in_place_and_fail(stop); }),
      AllOf(HasSubstr("stopped"), HasSubstr("is written already"), HasSubstr(folder_ / "m/emend.undo")));
  EXPECT_TRUE(fs::exists(folder_ / "m/emend.undo"));
}

TEST_F(FakeEditorRuns, SoDoesOneThatIsNotTheLibrarysOwn) {
  try {
    write_in_place_and_fail([] { throw std::bad_alloc(); });
    FAIL() << "nothing was thrown";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("out of memory"), HasSubstr(folder_ / "m/emend.undo")));
  }
}

// These read the first of no patches, or what was not prepared.
TEST_F(FakeEditorRuns, NoPatchesAreRefused) {
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { merge_edits(model_, {}, {}, silent_); }),
              HasSubstr("no patches"));
  NamedPatch idle = edited();
  idle.patch.edit.changes.clear();
  for (const AdapterFormat format : {AdapterFormat::kPeft, AdapterFormat::kGguf})
    for (const std::vector<Patch>& patches : {std::vector<Patch>{}, std::vector<Patch>{idle.patch}})
      EXPECT_THAT(error_of(ErrorKind::kUsage,
                           [&] {
                             export_adapter(model_, patches, {format, folder_ / "a", {}});
                           }),
                  HasSubstr("nothing to export"));
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(FakeEditorRuns, ChecksThatWereNotPreparedAreRefusedBeforeTheWriting) {
  ApplyOptions how;
  how.out = folder_ / "new";
  how.force = true;
  how.check = false;
  PreparedWrite prepared = prepare_write(model_, {edited()}, how, silent_);
  how.check = true;
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { finish_write(std::move(prepared), {}, how, silent_); }),
              HasSubstr("prepared without checks"));
  EXPECT_FALSE(fs::exists(folder_ / "new"));
}

TEST_F(FakeEditorRuns, NoCheckIsNoPass) {
  ApplyOptions how;
  how.out = folder_ / "unchecked";
  how.force = true;
  how.check = false;
  const ApplyOutcome applied = apply_patches(model_.path(), {}, {edited()}, how, silent_);
  EXPECT_FALSE(applied.passed.has_value());
  EXPECT_THAT(applied.patches, SizeIs(0));
  EXPECT_TRUE(apply_json(applied).at("passed").is_null());
  EXPECT_THAT(checked_text(applied, 100), HasSubstr("not asked for"));
}

TEST_F(FakeEditorRuns, IsBenchmarked) {
  BenchmarkOptions options;
  options.dataset = "emend";
  options.data = std::string(EMEND_TEST_DATA) + "/world/edits.jsonl";
  options.end_record = 3;
  options.methods = {
      {"spread", "spread", {}, {{kLow, kHigh}, "test"}, {}, {{"covariance", {"false", "test"}}}}};
  options.editors = &editors_;
  options.drift_tokens = 0;
  options.out = folder_ / "eval";
  const BenchmarkOutcome outcome = run_benchmark(model_, options, silent_);
  ASSERT_THAT(outcome.methods, SizeIs(1));
  ASSERT_THAT(outcome.methods[0].records, SizeIs(3));
  EXPECT_EQ(outcome.methods[0].records[0].layer, kLow);
}

}  // namespace
}  // namespace emend
