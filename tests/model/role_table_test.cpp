// The table of roles: names, shapes and places, and what follows from it.
#include "model/role_table.h"

#include <gmock/gmock.h>

#include <set>

#include "model/weights.h"
#include "support/tiny_models.h"

namespace emend {
namespace {

// A config in which every role has a weight.
ModelConfig full_config() {
  ModelConfig c = test::tiny_config("gpt2", 2);
  c.tied_head = false;
  c.head_bias = true;
  c.block.gated_mlp = true;
  c.block.qk_norm = QkNorm::kFullWidth;
  c.block.attention_post_norm = c.block.mlp_post_norm = true;
  return c;
}

TEST(RoleTable, NamesAreThereAndAllDifferent) {
  std::set<Role> roles;
  std::set<std::string> names;
  for (const RoleInfo& info : role_table()) {
    EXPECT_TRUE(roles.insert(info.role).second) << info.name;
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.gguf.empty()) << info.name;
    EXPECT_EQ(info.gguf.starts_with("blk.{l}."), is_block_role(info.role)) << info.name;
  }
  EXPECT_EQ(role_name(Role::kMlpDown), "MLP down projection (the value projection)");
}

TEST(RoleTable, EachRoleHasOnePlaceAndOneKindOfShape) {
  for (const RoleInfo& info : role_table()) {
    EXPECT_NE(info.in_block == nullptr, info.in_model == nullptr) << info.name;
    EXPECT_NE(info.shape == nullptr, info.part == nullptr) << info.name;
  }
}

TEST(RoleTable, AFullModelHasAWeightForEveryRole) {
  const ModelConfig config = full_config();
  Model model = Model::make_random(config, 1, {});
  ModelWeights weights = model.weights();
  for (const RoleInfo& info : role_table()) {
    const at::Tensor view = weight_view(weights, config, info.role, is_block_role(info.role) ? 1 : 0);
    ASSERT_TRUE(view.defined()) << info.name;
    EXPECT_GT(view.numel(), 0) << info.name;
  }
}

TEST(RoleTable, PartsOfAFusedWeightFillItOnce) {
  const ModelConfig config = full_config();
  ModelWeights weights = Model::make_random(config, 1, {}).weights();
  for (const auto& [whole, parts] :
       {std::pair(Role::kQkv, std::vector<Role>{Role::kQuery, Role::kKey, Role::kValue}),
        std::pair(Role::kMlpGateUp, std::vector<Role>{Role::kMlpGate, Role::kMlpUp})}) {
    std::vector<at::Tensor> views;
    for (const Role part : parts) views.push_back(weight_view(weights, config, part, 0));
    EXPECT_TRUE(at::equal(at::cat(views, 0), weight_view(weights, config, whole, 0)));
  }
}

TEST(RoleTable, CountsAddUpToTheModel) {
  for (const ModelConfig& config :
       {full_config(), test::tiny_config("gpt2"), test::tiny_config("llama"), test::tiny_config("gptj")}) {
    const Model model = Model::make_random(config, 1, {});
    std::int64_t total = 0;
    for (const auto& [group, count] : count_parameters(config, model.weights())) total += count;
    EXPECT_EQ(total * 4, model.bytes());
  }
}

TEST(RoleTable, HandCountedParametersOfATinyLlama) {
  const Model model = Model::make_random(test::tiny_config("llama", 1), 1, {});
  using Counts = std::vector<std::pair<std::string, std::int64_t>>;
  EXPECT_EQ(count_parameters(model.config(), model.weights()),
            (Counts{{"token embedding", 96 * 32},
                    {"position embedding", 0},
                    {"attention", (32 + 16 + 16) * 32 + 32 * 32},
                    {"MLP up (keys)", 2 * 80 * 32},
                    {"MLP down (values)", 32 * 80},
                    {"norms", 3 * 32},
                    {"head", 96 * 32}}));
}

}  // namespace
}  // namespace emend
