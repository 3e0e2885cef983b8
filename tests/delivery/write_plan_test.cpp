// What is to be written, before anything is: types, rounding, and what of the change arrives.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "emend/edit.h"
#include "emend/error.h"
#include "emend/write_back.h"
#include "io/block_format.h"
#include "io/half.h"
#include "io/imatrix.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/written_files.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;

TEST(PlanWrite, SaysWhatArrives) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ8_0).bytes()));
  const Patch patch = tiny_patch(base, 1, 2, 2.0);
  const WritePlan exact = plan_write(base, {patch}, "F32");
  ASSERT_EQ(exact.facts.size(), 1U);
  EXPECT_EQ(exact.facts[0].id, "fact-1");
  EXPECT_NEAR(exact.facts[0].wanted, 2.0, 1e-5);
  EXPECT_NEAR(exact.facts[0].arrived, 2.0, 1e-4);
  EXPECT_NEAR(exact.facts[0].share, 1, 1e-5);
  EXPECT_LT(exact.facts[0].error, 1e-4);
  EXPECT_NEAR(exact.tensors[0].share, 1, 1e-5);
  // The coarser the type, the more rounding; measured here by hand.
  double last = exact.facts[0].error;
  for (const std::string type : {"F16", "Q8_0", "Q4_0"}) {
    const WritePlan plan = plan_write(base, {patch}, type);
    EXPECT_GT(plan.facts[0].error, last) << type;
    last = plan.facts[0].error;
    write_new(plan, folder / ("n-" + type));
    const Model written = load_quietly(folder / ("n-" + type));
    const at::Tensor key = patch.edit.facts[0].parts[0].keys[0];
    const at::Tensor moved = at::mv(down(written, 1) - down(base, 1), key);
    EXPECT_NEAR(plan.facts[0].arrived, moved.norm().item<double>(), 1e-4) << type;
    EXPECT_NEAR(plan.facts[0].error,
                ((moved - patch.edit.facts[0].parts[0].residual).norm() / 2).item<double>(), 1e-4);
  }
}

// Rounding to nearest would keep none of it: the change is a small part of a step.
TEST(PlanWrite, AQuantisedTypeThatIsKeptHoldsAFaintEdit) {
  for (const GgufType stored : {GgufType::kQ4_0, GgufType::kQ4_1, GgufType::kQ8_0}) {
    const TempFolder folder;
    const fs::path source = folder.write("m.gguf", tiny_gguf("llama", stored).bytes());
    const std::string before = read_all(source);
    const Model base = load_quietly(source);
    const double value =
        at::mv(down(base, 1), tiny_patch(base, 1, 2, 1).edit.facts[0].parts[0].keys[0]).norm().item<double>();
    const Patch patch = tiny_patch(base, 1, 2, value / 2);
    const WritePlan plan = plan_write(base, {patch}, "own");
    ASSERT_TRUE(plan.tensors[0].rounding);
    const RoundingReport& report = *plan.tensors[0].rounding;
    EXPECT_EQ(report.keys, 1);
    EXPECT_GE(report.worst_share, 0.98);
    EXPECT_DOUBLE_EQ(report.worst_share, report.mean_share);
    EXPECT_NEAR(plan.facts[0].share, report.worst_share, 1e-9);
    EXPECT_GT(report.blocks_changed, 0);
    EXPECT_LE(report.blocks_changed, report.blocks);
    EXPECT_FALSE(report.with_statistics);
    const at::Tensor C = at::eye(base.config().d_ff, at::kDouble) * 3;
    const WritePlan weighted = plan_write(base, {patch}, "own", RoundingWeights(LayerMoments{{1, C}}));
    EXPECT_TRUE(weighted.tensors[0].rounding->with_statistics);
    EXPECT_NEAR(weighted.facts[0].share, 1, 0.02);
    EXPECT_FALSE(plan_write(base, {patch}, "F16").tensors[0].rounding);
    write_in_place(plan);
    EXPECT_NE(read_all(source), before);
    revert(source);
    EXPECT_EQ(read_all(source), before);
  }
}

// An importance matrix weights what statistics do not cover, and is looked at only where it is needed.
TEST(PlanWrite, AnImportanceMatrixWeightsTheRounding) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ4_0).bytes()));
  const auto width = static_cast<std::size_t>(base.config().d_ff);
  const Patch patch = tiny_patch(base, 1, 2, 1);
  std::vector<float> sums(width);
  for (std::size_t i = 0; i < width; ++i) sums[i] = i % 5 == 0 ? 90.0F : 3.0F;
  Imatrix imatrix;
  imatrix.entries["blk.1.ffn_down.weight"] = {sums, {3}};
  write_imatrix(folder / "i.gguf", imatrix);
  RoundingWeights by_imatrix;
  by_imatrix.imatrix = folder / "i.gguf";
  const WritePlan plan = plan_write(base, {patch}, "own", by_imatrix);
  ASSERT_TRUE(plan.tensors[0].rounding);
  EXPECT_TRUE(plan.tensors[0].rounding->with_statistics);
  EXPECT_TRUE(plan.tensors[0].rounding->diagonal);
  EXPECT_NEAR(plan.facts[0].share, 1, 0.02);
  const at::Tensor diagonal = at::tensor(sums, at::kDouble) / 3;
  const WritePlan same =
      plan_write(base, {patch}, "own", RoundingWeights(LayerMoments{{1, at::diag(diagonal)}}));
  EXPECT_EQ(plan.tensors[0].bytes, same.tensors[0].bytes);
  EXPECT_NEAR(plan.tensors[0].rounding->stray, same.tensors[0].rounding->stray, 1e-9);
  EXPECT_FALSE(same.tensors[0].rounding->diagonal);
  EXPECT_NE(plan.tensors[0].bytes, plan_write(base, {patch}, "own").tensors[0].bytes);
  // Statistics come first where there are both.
  RoundingWeights both(LayerMoments{{1, at::eye(base.config().d_ff, at::kDouble)}});
  both.imatrix = by_imatrix.imatrix;
  EXPECT_FALSE(plan_write(base, {patch}, "own", both).tensors[0].rounding->diagonal);
  EXPECT_NO_THROW(plan_write(base, {tiny_patch(base, 0, 2, 1)}, "F16", by_imatrix));
  EXPECT_THAT(
      error_of(ErrorKind::kModel, [&] { plan_write(base, {tiny_patch(base, 0, 2, 1)}, "own", by_imatrix); }),
      testing::AllOf(HasSubstr("i.gguf"), HasSubstr("no entry for \"blk.0.ffn_down.weight\"")));
  imatrix.entries["blk.9.ffn_down.weight"] = {sums, {3}};
  write_imatrix(folder / "i.gguf", imatrix);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { plan_write(base, {patch}, "own", by_imatrix); }),
              HasSubstr("of another model"));
}

TEST(PlanWrite, ATypeThatLosesTheEditIsNamedWithTheLoss) {
  const Model base = load_quietly(parity("llama_bf16"));
  const Patch faint = tiny_patch(base, 1, 2, 1e-4);  // below half a unit of bfloat16
  const WritePlan plan = plan_write(base, {faint}, "own");
  EXPECT_LT(plan.facts[0].share, 0.5);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { require_holds(plan); }),
              testing::AllOf(HasSubstr("BF16 does not hold the edit \"fact-1\""),
                             HasSubstr("% of its update"), HasSubstr("F32")));
  EXPECT_NO_THROW(require_holds(plan_write(base, {faint}, "F32")));
}

TEST(PlanWrite, OverflowIsRefused) {
  const Model base = load_quietly(parity("gpt2_f16"));
  const Patch huge = tiny_patch(base, 0, 2, 1e6);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { plan_write(base, {huge}, "own"); }),
              testing::AllOf(HasSubstr("transformer.h.0.mlp.c_proj.weight"),
                             HasSubstr("F16 cannot hold the edited weights"), HasSubstr("F32")));
  EXPECT_NO_THROW(plan_write(base, {huge}, "F32"));
}

// Random codes and modest scales: weights that lie on the grid of `type`.
StoredDown on_grid(const std::string& name) {
  const ElementType& type = element_type(name);
  std::mt19937 random(3);
  std::string bytes(32 * 256 / type.block_elements * type.block_bytes, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += type.block_bytes) {
    BlockScales scales;
    scales.d = name == "MXFP4" ? 121 : float_to_half(0.01F);
    scales.dmin = float_to_half(0.002F);
    for (std::size_t g = 0; g < kMostBlockGroups; ++g) {
      scales.scale_code[g] = static_cast<std::int16_t>(1 + random() % 8);
      scales.minimum_code[g] = static_cast<std::int16_t>(random() % 8);
    }
    BlockCodes codes{};
    const unsigned count = std::min(type.format->code_count, name == "TQ2_0" ? 3U : 256U);
    for (std::size_t i = 0; i < type.block_elements; ++i)
      codes[i] = static_cast<std::uint8_t>(random() % count);
    type.format->pack(scales, codes, reinterpret_cast<std::byte*>(&bytes[at]));
  }
  return {&type, bytes};
}

class OwnType : public testing::TestWithParam<const char*> {};

// What the plan says is measured again on the file that was written, by hand.
TEST_P(OwnType, TheReportedShareIsThatOfTheBytesInTheFile) {
  const TempFolder folder;
  const fs::path source =
      folder.write("m.gguf", tiny_gguf("llama", GgufType::kF32, on_grid(GetParam())).bytes());
  const Model base = load_quietly(source);
  const at::Tensor key = tiny_patch(base, 1, 2, 1).edit.facts[0].parts[0].keys[0];
  const double value = at::mv(down(base, 1), key).norm().item<double>();
  const Patch patch = tiny_patch(base, 1, 2, value / 2);
  const WritePlan plan = plan_write(base, {patch}, "own");
  EXPECT_EQ(plan.tensors[0].new_type, GetParam());
  ASSERT_TRUE(plan.tensors[0].rounding);
  const RoundingReport& report = *plan.tensors[0].rounding;
  EXPECT_GE(report.worst_share, 0.98);
  write_new(plan, folder / "new.gguf");
  expect_others_equal(source, folder / "new.gguf", "blk.1.ffn_down.weight");
  const at::Tensor moved = down(load_quietly(folder / "new.gguf"), 1).to(at::kDouble) - down(base, 1);
  const at::Tensor k = key.to(at::kDouble);
  const at::Tensor wanted = at::mv(patch.edit.changes[0].delta(at::kDouble), k);
  const double share = (at::mv(moved, k).dot(wanted) / wanted.dot(wanted)).item<double>();
  EXPECT_NEAR(report.worst_share, share, 1e-6);
  EXPECT_NEAR(plan.facts[0].share, share, 1e-6);
  EXPECT_NEAR(plan.facts[0].arrived, at::mv(moved, k).norm().item<double>(), 1e-6 * value);
}

INSTANTIATE_TEST_SUITE_P(Types, OwnType,
                         testing::Values("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K",
                                         "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0"),
                         [](const auto& instance) { return std::string(instance.param); });

// A scale is a half: beyond it blocks would hold infinities, or their ends would be cut off.
TEST(PlanWrite, ABlockWhoseScaleIsNoHalfIsRefusedByNameBeforeAnythingIsWritten) {
  const TempFolder folder;
  const fs::path source = folder.write("m.gguf", tiny_gguf("llama", GgufType::kQ8_0).bytes());
  const Model base = load_quietly(source);
  Patch patch = tiny_patch(base, 1, 2, 1);
  at::Tensor change = at::zeros({32, 96});
  change[5][70] = 1e9;
  patch.edit.changes[0] = WeightChange::dense(patch.edit.changes[0].weight, change);
  for (const std::string type : {"own", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL"})
    EXPECT_THAT(
        error_of(ErrorKind::kModel, [&] { plan_write(base, {patch}, type); }),
        testing::AllOf(HasSubstr("\"blk.1.ffn_down.weight\": "), HasSubstr("cannot hold the edited weights"),
                       HasSubstr(type == "F16" ? "row 5, column 70" : "row 5, block 2")))
        << type;
  EXPECT_NO_THROW(plan_write(base, {patch}, "BF16"));
}

TEST(PlanWrite, ATypeThatIsOnlyReadIsKeptButNotChosen) {
  const TempFolder folder;
  const Model base = load_quietly(folder.write("m.gguf", tiny_gguf("llama", GgufType::kMxfp4).bytes()));
  const Patch patch = tiny_patch(base, 1, 3, 1);
  EXPECT_EQ(plan_write(base, {patch}, "own").tensors[0].new_type, "MXFP4");
  EXPECT_THAT(error_of(ErrorKind::kConfig, [&] { plan_write(base, {patch}, "MXFP4"); }),
              HasSubstr("a GGUF file cannot store edited weights as \"MXFP4\""));
  EXPECT_EQ(plan_write(base, {patch}, "").tensors[0].new_type, "F16");
  EXPECT_EQ(plan_write(base, {patch}, "bf16").tensors[0].new_type, "BF16");
}

TEST(PlanWrite, ABaseThatChangedSinceItWasLoadedIsRefused) {
  const TempFolder folder;
  const auto file = folder.write("m.gguf", tiny_gguf("llama", GgufType::kF16).bytes());
  const Model base = load_quietly(file);
  const Patch patch = tiny_patch(base, 1, 3, 1);
  write_new(plan_write(base, {patch}, ""), folder / "edited.gguf");
  fs::rename(folder / "edited.gguf", file);
  EXPECT_THAT(
      error_of(ErrorKind::kModel, [&] { plan_write(base, {patch}, ""); }),
      testing::AllOf(HasSubstr("\"blk.1.ffn_down.weight\" is not what was loaded"), HasSubstr("m.gguf")));
}

TEST(PlanWrite, RefusesTypesThatTheFormatHasNot) {
  const TempFolder folder;
  const Model base = load_quietly(parity("gpt2"));
  const Patch patch = tiny_patch(base, 0, 2, 1);
  const auto refused = [&](const Model& model, const std::string& type) {
    return error_of(ErrorKind::kConfig, [&] { plan_write(model, {tiny_patch(model, 0, 2, 1)}, type); });
  };
  EXPECT_THAT(refused(base, "Q8_0"),
              HasSubstr("a safetensors checkpoint cannot store edited weights as \"Q8_0\""));
  EXPECT_THAT(refused(base, "F17"), HasSubstr("did you mean \"F16\"?"));
  const Model odd =
      load_quietly(folder.write("m.gguf", llama_as_gguf("llama_gqa_tied", GgufType::kF32).bytes()));
  EXPECT_THAT(refused(odd, "Q8_0"), HasSubstr("rows of 80 elements, no whole number of Q8_0 blocks of 32"));
  const Model random = Model::make_random(base.config(), 1, {});
  EXPECT_THROW(plan_write(random, {tiny_patch(random, 0, 2, 1)}, ""), Error);
}

}  // namespace
}  // namespace emend
