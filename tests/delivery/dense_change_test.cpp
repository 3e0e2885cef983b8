// Changes that are one matrix instead of two factors, on their way to disk and back.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "delivery/patch_metadata.h"
#include "emend/patch_algebra.h"
#include "patch_parts.h"
#include "tests/base/expect_error.h"
#include "tests/delivery/tiny_edit.h"

namespace emend {
namespace {

using namespace test;
using testing::AllOf;
using testing::HasSubstr;

class DenseChange : public testing::Test {
 protected:
  DenseChange() : base_(load_quietly(data_path("parity/gpt2"))), patch_(dense_patch(base_, 1, 2, 0.5)) {}
  // The message with which the saved patch is refused once `spoil` was at it.
  template <typename Spoil>
  std::string refusal(const Spoil& spoil) const {
    save_patch(patch_, folder_ / "p");
    Parts parts = read_parts(folder_ / "p");
    spoil(parts);
    write_sealed(parts, folder_ / "bad");
    return error_of(ErrorKind::kFormat, [&] { load_patch(folder_ / "bad"); });
  }
  const TempFolder folder_;
  const Model base_;
  Patch patch_;
};

TEST_F(DenseChange, ComesBackAsItWasSaved) {
  save_patch(patch_, folder_ / "p");
  const Parts parts = read_parts(folder_ / "p");
  for (const std::string part : {"D", "keys", "answers", "residuals"})
    EXPECT_TRUE(parts.tensors.contains("model.layers.1.mlp_down." + part)) << part;
  for (const std::string part : {"A", "B"})
    EXPECT_FALSE(parts.tensors.contains("model.layers.1.mlp_down." + part)) << part;
  const Patch loaded = load_patch(folder_ / "p");
  ASSERT_EQ(loaded.edit.changes.size(), 1U);
  EXPECT_TRUE(loaded.edit.changes[0].is_dense());
  EXPECT_TRUE(at::equal(loaded.edit.changes[0].D, patch_.edit.changes[0].D));
  EXPECT_FALSE(loaded.edit.changes[0].A.defined() || loaded.edit.changes[0].B.defined());
  EXPECT_EQ(loaded.edit.solves.at(0).rule, SolveRule::kLeastSquares);
  EXPECT_EQ(loaded.edit.solves[0].lambda, 15000);
  EXPECT_TRUE(at::equal(loaded.edit.facts[0].parts.at(0).keys, patch_.edit.facts[0].parts[0].keys));
  EXPECT_EQ(patch_metadata(loaded), patch_metadata(patch_));
  EXPECT_NO_THROW(require_base(loaded, base_, "p"));
  save_patch(loaded, folder_ / "q");
  EXPECT_EQ(read_all(folder_ / "q"), read_all(folder_ / "p"));
}

TEST_F(DenseChange, IsNeverWrittenWithNumbersThatAreNotFinite) {
  patch_.edit.changes[0].D[0][2] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error_of(ErrorKind::kNumeric, [&] { save_patch(patch_, folder_ / "p"); }),
              HasSubstr("model.layers.1.mlp_down.D"));
}

TEST_F(DenseChange, IsRefusedWhenTheFileIsBroken) {
  const std::string D = "model.layers.1.mlp_down.D";
  EXPECT_THAT(refusal([&](Parts& parts) { parts.tensors["model.layers.1.mlp_down.A"] = parts.tensors[D]; }),
              AllOf(HasSubstr("model.layers.1.mlp_down.A"), HasSubstr("no such tensor")));
  EXPECT_THAT(refusal([&](Parts& parts) { parts.tensors[D].shape.push_back(1); }), HasSubstr(D));
  EXPECT_THAT(refusal([&](Parts& parts) { std::swap(parts.tensors[D].shape[0], parts.tensors[D].shape[1]); }),
              HasSubstr("model.layers.1.mlp_down.keys"));
  EXPECT_THAT(refusal([&](Parts& parts) { parts.tensors.erase(D); }),
              HasSubstr("model.layers.<l>.mlp_down.A"));
  EXPECT_THAT(refusal([&](Parts& parts) {
                std::string& facts = parts.metadata.at("emend.facts");
                facts.replace(facts.find("\"rows\":[]"), 9, "\"rows\":[0]");
              }),
              AllOf(HasSubstr(D), HasSubstr("row 0 ")));
}

TEST_F(DenseChange, DiffersFromItsFactorsInFormOnly) {
  EXPECT_TRUE(diff_patches(patch_, patch_).same);
  const PatchDifference difference = diff_patches(patch_, tiny_patch(base_, 1, 2, 0.5));
  ASSERT_EQ(difference.layers.size(), 1U);
  EXPECT_LT(difference.layers[0].difference, 1e-5 * difference.layers[0].first);
  EXPECT_NEAR(difference.layers[0].cosine, 1, 1e-6);
  const PatchDifference other = diff_patches(patch_, dense_patch(base_, 1, 5, 0.5));
  const at::Tensor x = patch_.edit.changes[0].D, y = dense_patch(base_, 1, 5, 0.5).edit.changes[0].D;
  EXPECT_NEAR(other.layers[0].difference, (x - y).norm().item<double>(), 1e-4);
}

TEST_F(DenseChange, HasNoRowsToTakeOutOrToMerge) {
  patch_.edit.solves[0].rule = SolveRule::kEachAlone;
  Patch two = patch_, other = dense_patch(base_, 1, 5, 0.5);
  other.edit.facts[0].request.id = "other";
  other.edit.solves = patch_.edit.solves;
  two.edit.facts.push_back(other.edit.facts[0]);
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { drop_fact(two, "other", {}); }),
              HasSubstr("cannot be taken out"));
  EXPECT_THAT(error_of(ErrorKind::kModel,
                       [&] {
                         merge_patches({patch_, other}, {"p", "q"}, {});
                       }),
              HasSubstr("is dense"));
}

TEST_F(DenseChange, ThatWasTrainedStaysAsItIs) {
  patch_.edit.solves[0].rule = SolveRule::kTrained;
  patch_.edit.solves[0].lambda = 0;
  save_patch(patch_, folder_ / "p");
  EXPECT_EQ(load_patch(folder_ / "p").edit.solves.at(0).rule, SolveRule::kTrained);
  Patch two = patch_, other = dense_patch(base_, 1, 5, 0.5);
  other.edit.facts[0].request.id = "other";
  other.edit.solves = patch_.edit.solves;
  two.edit.facts.push_back(other.edit.facts[0]);
  for (const auto& layers : {std::function([&] { layers_to_solve(two, "other"); }), std::function([&] {
                               layers_to_solve({patch_, other});
                             })})
    EXPECT_THAT(error_of(ErrorKind::kModel, layers), HasSubstr("trained for all its facts together"));
  EXPECT_THAT(error_of(ErrorKind::kModel, [&] { drop_fact(two, "other", {}); }), HasSubstr("edit again"));
}

}  // namespace
}  // namespace emend
