// An edit over two layers, by an editor that is not ROME, on its way through patches.
#include <gmock/gmock.h>

#include "emend/patch_algebra.h"
#include "sample_patch.h"
#include "support/fake_editor.h"
#include "support/random_matrices.h"
#include "support/world.h"

namespace emend {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SeveralLayers : public ::testing::Test {
 protected:
  static constexpr int kLow = 5, kHigh = 7;

  SeveralLayers() : model_(test::load_world("llama")), requests_(test::world_edits(3)) {
    context_.layers = {kLow, kHigh};
    context_.prefix = model_.tokenizer().automatic_prefix();
    context_.statistics = &statistics_;
    const std::int64_t size = model_.config().d_ff;
    for (const int layer : context_.layers) {
      const at::Tensor keys = test::normals(2 * size, size, static_cast<std::uint64_t>(layer));
      statistics_.layers[layer].C = at::matmul(keys.t(), keys) / (2 * size);
      moments_[layer] = statistics_.layers[layer].C;
    }
    statistics_.set_origin({"", "", "5eed"});
  }
  Patch patch(const std::vector<EditRequest>& requests, const std::string& covariance = "true") const {
    SilentProgress silent;
    const auto editor =
        make_editor("spread", {{"covariance", {covariance, "test"}}}, test::editors_with_spread());
    Patch patch;
    patch.edit = editor->edit(model_, requests, context_, silent);
    patch.prefix = context_.prefix;
    patch.emend_version = "0.1.0";
    patch.base_name = "world";
    patch.bos = "auto";
    return patch;
  }

  Model model_;
  std::vector<EditRequest> requests_;
  EditorContext context_;
  Statistics statistics_;
  LayerMoments moments_;
};

void expect_same_changes(const Edit& found, const Edit& wanted) {
  ASSERT_EQ(found.changes.size(), wanted.changes.size());
  for (std::size_t i = 0; i < wanted.changes.size(); ++i) {
    const WeightChange &one = found.changes[i], &other = wanted.changes[i];
    EXPECT_EQ(one.weight, other.weight);
    EXPECT_TRUE(at::equal(one.B, other.B));
    EXPECT_TRUE(test::near(one.A, other.A, 1e-3 * other.A.abs().max().item<double>()));
  }
}

TEST_F(SeveralLayers, APatchHoldsThemAll) {
  const ScratchFolder folder;
  const Patch made = patch(requests_);
  save_patch(made, folder / "spread.safetensors");
  const Patch loaded = load_patch(folder / "spread.safetensors");
  EXPECT_NO_THROW(require_base(loaded, model_, "spread.safetensors"));
  EXPECT_EQ(loaded.edit.method, "spread");
  ASSERT_EQ(loaded.edit.solves.size(), 2u);
  EXPECT_EQ(loaded.edit.solves[1].weight, (WeightRef{kHigh, Role::kMlpDown}));
  EXPECT_EQ(loaded.edit.solves[1].statistics_fingerprint, "5eed");
  expect_same_changes(loaded.edit, made.edit);
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    ASSERT_EQ(loaded.edit.facts[i].parts.size(), 2u);
    for (const FactPart& part : loaded.edit.facts[i].parts)
      EXPECT_THAT(part.rows, ElementsAre(static_cast<std::int64_t>(i)));
  }
}

// A residual of this editor does not depend on the other facts, so a fact that is dropped might never have
// been.
TEST_F(SeveralLayers, DroppingAFactSolvesEveryLayerAgain) {
  const Patch all = patch(requests_);
  EXPECT_THAT(layers_to_solve(all, requests_[1].id), ElementsAre(kLow, kHigh));
  const Patch dropped = drop_fact(all, requests_[1].id, moments_);
  expect_same_changes(dropped.edit, patch({requests_[0], requests_[2]}).edit);
  EXPECT_THAT(dropped.edit.facts[1].parts[1].rows, ElementsAre(1));
  const Patch plain = patch(requests_, "false");  // C = I
  EXPECT_THAT(layers_to_solve(plain, requests_[1].id), IsEmpty());
  expect_same_changes(drop_fact(plain, requests_[1].id, {}).edit,
                      patch({requests_[0], requests_[2]}, "false").edit);
}

TEST_F(SeveralLayers, MergingPatchesSolvesEveryLayerTogether) {
  const Patch merged =
      merge_patches({patch({requests_[0]}), patch({requests_[1], requests_[2]})}, {"one", "two"}, moments_);
  expect_same_changes(merged.edit, patch(requests_).edit);
}

}  // namespace
}  // namespace emend
