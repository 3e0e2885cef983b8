#include "delivery/patch_tensors.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>

namespace emend {
namespace {

TEST(PatchTensors, NameAWeightSoThatItIsFoundAgain) {
  for (const WeightRef& weight :
       {WeightRef{0, Role::kMlpDown}, WeightRef{11, Role::kMlpDown}, WeightRef{4, Role::kMlpDown, 0},
        WeightRef{std::numeric_limits<int>::max(), Role::kMlpDown, std::numeric_limits<int>::max()}})
    EXPECT_TRUE(patch_tensors::parse_weight(patch_tensors::weight(weight)) == weight)
        << patch_tensors::weight(weight);
  EXPECT_EQ(patch_tensors::weight({4, Role::kMlpDown}), "model.layers.4.mlp_down");
  EXPECT_EQ(patch_tensors::weight({4, Role::kMlpDown, 2}), "model.layers.4.experts.2.mlp_down");
  EXPECT_EQ(patch_tensors::of({4, Role::kMlpDown}, "residuals"), "model.layers.4.mlp_down.residuals");
}

TEST(PatchTensors, RefuseAnyOtherSpelling) {
  for (const std::string name :
       {"", "4", "model.layers.", "model.layers..mlp_down", "model.layers.4", "model.layers.4.",
        "model.layers.4.mlp_down.", "model.layers.4.mlp_down.A", "model.layers.4.mlp_downs",
        " model.layers.4.mlp_down",
        // numbers
        "model.layers.04.mlp_down", "model.layers.00.mlp_down", "model.layers.+4.mlp_down",
        "model.layers.-4.mlp_down", "model.layers.-0.mlp_down", "model.layers.0x4.mlp_down",
        "model.layers.4e0.mlp_down", "model.layers.2147483648.mlp_down",
        "model.layers.99999999999999999999.mlp_down",
        // other parts
        "model.layers.4.mlp_up", "model.layers.4.mlp_gate", "model.layers.4.attention_out",
        "model.layers.4.MLP_DOWN",
        // experts
        "model.layers.4.experts.mlp_down", "model.layers.4.experts..mlp_down",
        "model.layers.4.experts.-1.mlp_down", "model.layers.4.experts.01.mlp_down",
        "model.layers.4.experts.2147483648.mlp_down", "model.layers.4.experts.1.experts.2.mlp_down",
        "experts.1.model.layers.4.mlp_down"})
    EXPECT_THROW(patch_tensors::parse_weight(name), std::invalid_argument) << name;
  EXPECT_THROW(patch_tensors::parse_weight(std::string("model.layers.4.mlp_down\0", 24)),
               std::invalid_argument);
}

}  // namespace
}  // namespace emend
