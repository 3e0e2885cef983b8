// Settings of cells as patches: exact or refused, and taken back like any other.
#include "emend/memory_bake.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "base/temp_folder.h"
#include "emend/generate_run.h"
#include "emend/memory_view.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

BakeOptions bake_of(const std::vector<std::string>& settings) {
  BakeOptions options;
  options.prompt = test::world_edits(1)[0].prompt;
  for (const std::string& text : settings) options.settings.push_back(parse_memory_setting(text));
  return options;
}

class Bakes : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Shapes, Bakes, ::testing::Values("gpt2", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(Bakes, OffIsAZeroValueAndAFactorAScaledOne) {
  const c10::NoGradGuard no_grad;
  Model model = test::load_world(GetParam());
  const at::Tensor one = FfnView(model, 1).value(7).clone(), two = FfnView(model, 2).value(9).clone(),
                   other = FfnView(model, 1).value(8).clone();
  const Patch patch = run_bake(model, bake_of({"L2D9=x0.5", "L1D7=off", "L1D3=x1"}));
  ASSERT_THAT(patch.edit.changes, SizeIs(2));
  EXPECT_EQ(patch.edit.facts[0].request.id, "L2D9=x0.5");
  {
    const ScopedEdit scope(model, patch.edit.changes);
    EXPECT_EQ(FfnView(model, 1).value(7).abs().max().item<double>(), 0);
    EXPECT_TRUE(at::equal(FfnView(model, 2).value(9), two * 0.5)) << "a half is exact";
    EXPECT_TRUE(at::equal(FfnView(model, 1).value(8), other));
  }
  EXPECT_TRUE(at::equal(FfnView(model, 1).value(7), one));
  EXPECT_TRUE(patch.passed);
}

// What the patch says is what setting the cells while the model runs says.
TEST_P(Bakes, ThePatchSaysWhatTheSettingSays) {
  Model model = test::load_world(GetParam());
  const BakeOptions options = bake_of({"L1D7=off", "L2D9=x3"});
  const test::TempFolder folder;
  save_patch(run_bake(model, options), folder / "p.safetensors");
  const NamedPatch named = load_patches({folder / "p.safetensors"}).front();
  SetOptions set;
  set.prompt = options.prompt;
  set.settings = options.settings;
  set.max_new = 4;
  const SetOutcome wanted = run_memory_set(model, set);
  const VerifyOutcome verified = verify_patches(model, {named});
  EXPECT_TRUE(verified.passed);
  const ScopedEdit scope(model, named.patch.edit.changes);
  const PromptOutcome written = run_prompt(model, options.prompt, {.max_new = 4, .top = 5});
  EXPECT_EQ(written.completion, wanted.changed.completion);
}

TEST_P(Bakes, OneSettingIsTakenOut) {
  const c10::NoGradGuard no_grad;
  Model model = test::load_world(GetParam());
  const NamedPatch both{"both", run_bake(model, bake_of({"L1D7=off", "L1D9=off"}))};
  const at::Tensor kept = FfnView(model, 1).value(7).clone();
  const ComposeOutcome one = drop_edit(model, both, "L1D7=off");
  const ScopedEdit scope(model, one.patch.edit.changes);
  EXPECT_TRUE(at::equal(FfnView(model, 1).value(7), kept));
  EXPECT_LT(FfnView(model, 1).value(9).abs().max().item<double>(), 1e-6);
}

TEST(BakeRefusals, NameTheReason) {
  Model model = test::load_world("llama");
  const auto refused = [&](ErrorKind kind, const std::vector<std::string>& settings, const char* what) {
    EXPECT_THAT(test::error_of(kind, [&] { run_bake(model, bake_of(settings)); }), HasSubstr(what));
  };
  refused(ErrorKind::kUsage, {"L1D7=on"}, "no change of the down projection");
  refused(ErrorKind::kUsage, {"L1D7=2.5"}, "no change of the down projection");
  refused(ErrorKind::kUsage, {"L1D7=off@last"}, "all tokens alike");
  refused(ErrorKind::kUsage, {"L1D7=off", "L1D7=x2"}, "one cell");
  refused(ErrorKind::kUsage, {}, "setting");
  refused(ErrorKind::kConfig, {"L1D99999=off"}, "D0 to D");
  EXPECT_EQ(why_not_baked(parse_memory_setting("L1D7=0")), "");
  BakeOptions empty = bake_of({"L1D7=off"});
  empty.prompt = " ";
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { run_bake(model, empty); }), HasSubstr("prompt"));
}

}  // namespace
}  // namespace emend
