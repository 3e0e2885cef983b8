#include "emend/inspect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "emend/write_back.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using namespace test;
using testing::HasSubstr;

Inspection compare(const fs::path& file, const fs::path& base, const std::vector<Patch>& patches,
                   InspectDirections directions = InspectDirections::kLeaveOut) {
  SilentProgress silent;
  return inspect({file, load_quietly(file).roles()}, {base, load_quietly(base).roles()}, patches, silent,
                 directions);
}

TEST(Inspect, FindsTheRankAndThePatches) {
  const TempFolder folder;
  for (const GgufType stored : {GgufType::kF32, GgufType::kF16, GgufType::kQ8_0}) {
    const auto source = folder.write("m.gguf", tiny_gguf("llama", stored).bytes());
    const Model base = load_quietly(source);
    const Patch a = tiny_patch(base, 1, 2, 3), b = tiny_patch(base, 1, 3.5, 3), c = tiny_patch(base, 0, 5, 3);
    write_new(plan_write(base, {a, b}, ""), folder / "new.gguf");
    const Inspection result = compare(folder / "new.gguf", source, {a, c, b});
    ASSERT_EQ(result.weights.size(), 1U);
    EXPECT_EQ(result.weights[0].entry.tensor, "blk.1.ffn_down.weight");
    EXPECT_EQ(result.weights[0].rank, 2);
    EXPECT_GT(result.weights[0].relative, 0.01);
    EXPECT_NEAR(result.patches[0].share, 1, 0.02);
    EXPECT_NEAR(result.patches[1].share, 0, 0.02);
    EXPECT_NEAR(result.patches[2].share, 1, 0.02);
    EXPECT_LT(result.unexplained, 0.05);
    const Inspection partly = compare(folder / "new.gguf", source, {a});
    EXPECT_GT(partly.unexplained, 0.3);
  }
}

// An orthonormal basis in which the rows of the patches' A lie.
TEST(Inspect, FindsDirectionsWhereTheyAreAskedFor) {
  const TempFolder folder;
  const auto source = folder.write("m.gguf", tiny_gguf("llama", GgufType::kF32).bytes());
  const Model base = load_quietly(source);
  const Patch a = tiny_patch(base, 1, 2, 3), b = tiny_patch(base, 1, 3.5, 3);
  write_new(plan_write(base, {a, b}, ""), folder / "new.gguf");
  const Inspection plain = compare(folder / "new.gguf", source, {}),
                   asked = compare(folder / "new.gguf", source, {}, InspectDirections::kFind);
  EXPECT_FALSE(plain.weights.at(0).directions.defined());
  const at::Tensor Q = asked.weights.at(0).directions;
  ASSERT_TRUE(Q.defined());
  EXPECT_EQ(asked.weights[0].rank, plain.weights[0].rank);
  EXPECT_NEAR(asked.weights[0].largest, plain.weights[0].largest, 1e-9 * plain.weights[0].largest);
  EXPECT_TRUE(at::allclose(at::matmul(Q.t(), Q), at::eye(2, at::kDouble), 0, 1e-9));
  for (const Patch* patch : {&a, &b}) {
    const at::Tensor A = patch->edit.changes[0].A.to(at::kDouble);
    EXPECT_LT((A - at::matmul(at::matmul(A, Q), Q.t())).norm().item<double>(),
              1e-3 * A.norm().item<double>());
  }
}

TEST(Inspect, ExplainsDenseChangesAndTwoLayers) {
  const TempFolder folder;
  const Model base = load_quietly(data_path("parity/gpt2"));
  const Patch dense = dense_patch(base, 1, 5, 3), both = two_layer_patch(base);
  write_new(plan_write(base, {dense, both}, ""), folder / "new");
  const Inspection result = compare(folder / "new", data_path("parity/gpt2"), {dense, both});
  ASSERT_EQ(result.weights.size(), 2U);
  EXPECT_EQ(result.weights[0].rank, 1);
  EXPECT_EQ(result.weights[1].rank, 2);
  EXPECT_NEAR(result.patches[0].share, 1, 1e-3);
  EXPECT_NEAR(result.patches[1].share, 1, 1e-3);
  EXPECT_LT(result.unexplained, 1e-3);
}

TEST(Inspect, OfTheBaseItselfFindsNothing) {
  const Model base = load_quietly(data_path("parity/gpt2"));
  const Inspection result =
      compare(data_path("parity/gpt2"), data_path("parity/gpt2"), {tiny_patch(base, 1, 2, 3)});
  EXPECT_TRUE(result.weights.empty());
  EXPECT_EQ(result.unexplained, 0);
  EXPECT_EQ(result.patches[0].share, 0);
}

// Each head's norm is a tensor of its own, with the same role and block.
TEST(Inspect, NormsOfEachHeadAreComparedHeadByHead) {
  const fs::path source = data_path("families/stablelm_b");
  const Inspection same = compare(source, source, {});
  EXPECT_TRUE(same.weights.empty());
  EXPECT_TRUE(same.missing.empty());
}

TEST(Inspect, RefusesAnotherShape) {
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] { compare(data_path("parity/gpt2"), data_path("parity/gpt2_no_prefix"), {}); }),
              HasSubstr("these are different models"));
}

}  // namespace
}  // namespace emend
