// Which cells an edit moves: a rank-one edit by hand.
#include "emend/memory_footprint.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "memories/scans.h"
#include "support/random_matrices.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

// W += b a^T: the value of cell i moves by a_i b, so it is moved |a_i| ||b||.
TEST(Footprint, OfARankOneEditIsItsResponse) {
  const Model model = test::tiny_model("gpt2", 2);
  at::Tensor a = at::zeros({1, 96});
  a[0][5] = 3;
  a[0][40] = -4;
  const at::Tensor b = test::normals(32, 1, 3).to(at::kFloat);
  const auto layers =
      measure_footprint(model, {WeightChange::low_rank({1, Role::kMlpDown}, a, b)}, {.cells = 3});
  ASSERT_THAT(layers, SizeIs(1));
  const LayerFootprint& layer = layers[0];
  const double length = b.norm().item<double>();
  EXPECT_EQ(layer.layer, 1);
  EXPECT_NEAR(layer.norm, 5 * length, 1e-5);
  ASSERT_THAT(layer.moved, SizeIs(2)) << "cells that stay as they are are not listed";
  EXPECT_EQ(layer.moved[0].cell, (MemoryId{1, 40}));
  EXPECT_NEAR(layer.moved[0].moved, 4 * length, 1e-5);
  EXPECT_NEAR(layer.moved[0].share, 16.0 / 25, 1e-6);
  EXPECT_EQ(layer.moved[1].cell, (MemoryId{1, 5}));
  EXPECT_NEAR(layer.moved[1].moved, 3 * length, 1e-5);
  EXPECT_EQ(layer.cells_of_90, 2);
  EXPECT_NEAR(layer.concentration[0].second, 16.0 / 25, 1e-6);
  EXPECT_NEAR(layer.concentration[1].second, 1, 1e-9);
  EXPECT_LE(layer.changed_favourites, 2);
}

// A change that puts another value in a cell's place: its words are those of the new one.
TEST(Footprint, ShowsTheWordsBeforeAndAfter) {
  const c10::NoGradGuard no_grad;
  const Model model = test::tiny_model("llama", 1);
  const at::Tensor head = model.weights().head, &down = model.weights().blocks[0].mlp_down;
  head.div_(head.norm(2, 1, true));
  down.select(1, 7).copy_(head[11]);
  at::Tensor a = at::zeros({1, 80});
  a[0][7] = 1;
  const auto layers = measure_footprint(
      model, {WeightChange::low_rank({0, Role::kMlpDown}, a, (head[23] - head[11]).unsqueeze(1))}, {});
  const MovedCell& cell = layers.at(0).moved.at(0);
  EXPECT_EQ(cell.before.at(0), "<11>");
  EXPECT_EQ(cell.after.at(0), "<23>");
  EXPECT_EQ(layers[0].changed_favourites, 1);
  EXPECT_TRUE(at::equal(down.select(1, 7), head[11])) << "the model stays as it is";
}

// A value that is zero promotes no token.
TEST(Footprint, OfACellThatIsSwitchedOffHasNoWordsAfterwards) {
  const c10::NoGradGuard no_grad;
  const Model model = test::tiny_model("gpt2", 1);
  at::Tensor a = at::zeros({1, 96});
  a[0][7] = 1;
  const at::Tensor value = model.weights().blocks[0].mlp_down.select(1, 7).clone();
  const auto layers =
      measure_footprint(model, {WeightChange::low_rank({0, Role::kMlpDown}, a, -value.unsqueeze(1))}, {});
  ASSERT_THAT(layers.at(0).moved, SizeIs(1));
  EXPECT_FALSE(layers[0].moved[0].before.empty());
  EXPECT_TRUE(layers[0].moved[0].after.empty());
  EXPECT_EQ(layers[0].changed_favourites, 0);
}

TEST(Footprint, ShowsTheTriggersOfAnIndex) {
  const Model model = test::load_world("llama");
  const test::TempFolder folder;
  test::scan_into(model, test::small_scan(model), folder / "index");  // of layers 0 and 2
  at::Tensor a = at::zeros({1, model.config().d_ff});
  a[0][7] = 1;
  const at::Tensor b = at::ones({model.config().d_model, 1});
  const std::vector<WeightChange> changes = {WeightChange::low_rank({0, Role::kMlpDown}, a, b),
                                             WeightChange::low_rank({1, Role::kMlpDown}, a, b)};
  const auto layers = measure_footprint(model, changes, {.index = folder / "index"});
  ASSERT_THAT(layers, SizeIs(2));
  const MovedCell& moved = layers[0].moved.at(0);
  const MemoryRecord record = MemoryIndex(folder / "index").cell({0, 7});
  const std::vector<MemoryExample>& examples = moved.high ? record.high : record.low;
  ASSERT_THAT(moved.triggers, SizeIs(3));
  EXPECT_EQ(moved.triggers[0], examples.at(0).text);
  EXPECT_TRUE(layers[1].moved.at(0).triggers.empty()) << "its layer was not scanned";
  const Model other = test::load_world("gpt2");
  test::error_of(ErrorKind::kModel, [&] { measure_footprint(other, {}, {.index = folder / "index"}); });
}

TEST(Footprint, RefusesWhatDoesNotFit) {
  const Model model = test::tiny_model("gpt2", 2);
  const WeightChange other =
      WeightChange::low_rank({5, Role::kMlpDown}, at::ones({1, 96}), at::ones({32, 1}));
  test::error_of(ErrorKind::kModel, [&] { measure_footprint(model, {other}, {}); });
  EXPECT_THAT(test::error_of(ErrorKind::kUsage, [&] { measure_footprint(model, {}, {.cells = 0}); }),
              HasSubstr("cells"));
}

}  // namespace
}  // namespace emend
