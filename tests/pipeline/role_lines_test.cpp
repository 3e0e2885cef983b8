#include "pipeline/role_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/tiny_models.h"

namespace emend {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

RoleEntry down(int block, const std::string& type) {
  return {
      Role::kMlpDown, block, "model.layers." + std::to_string(block) + ".mlp.down_proj.weight", type, {4, 64},
      false,          ""};
}

TEST(RoleLines, BlocksThatAreAlikeAreOneLine) {
  std::vector<RoleEntry> entries = {
      {Role::kTokenEmbedding, -1, "model.embed.weight", "F32", {10, 4}, false, ""}};
  for (int l = 0; l < 30; ++l) entries.push_back(down(l, "BF16"));
  const std::vector<RoleLine> lines = role_lines(entries);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0].blocks, IsEmpty());
  EXPECT_EQ(lines[0].bytes, 160);
  EXPECT_EQ(lines[1].tensor, "model.layers.{l}.mlp.down_proj.weight");
  EXPECT_EQ(ranges_text(lines[1].blocks), "0 to 29");
  EXPECT_EQ(lines[1].tensors, 30);
  EXPECT_EQ(lines[1].parameters, 30 * 256);
  EXPECT_EQ(lines[1].bytes, 30 * 512);
}

TEST(RoleLines, TypesOfARoleAreApart) {
  const auto lines =
      role_lines({down(0, "Q4_0"), down(1, "Q8_0"), down(2, "Q4_0"), down(3, "Q4_0"), down(4, "Q4_0")});
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_EQ(ranges_text(lines[0].blocks), "0, 2 to 4");
  EXPECT_EQ(lines[0].bytes, 4 * 8 * 18) << "blocks of 32 take 18 bytes";
  EXPECT_EQ(ranges_text(lines[1].blocks), "1");
}

TEST(RoleLines, RowsThatAreStoredApartAreOneLine) {
  std::vector<RoleEntry> entries;
  for (int l = 0; l < 2; ++l)
    for (int h = 0; h < 3; ++h)
      entries.push_back(
          {Role::kQueryNorm,
           l,
           "model.layers." + std::to_string(l) + ".q_layernorm.norms." + std::to_string(h) + ".weight",
           "F32",
           {8},
           false,
           ""});
  const auto lines = role_lines(entries);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].tensor, "model.layers.{l}.q_layernorm.norms.{h}.weight");
  EXPECT_THAT(lines[0].blocks, ElementsAre(0, 1));
  EXPECT_EQ(lines[0].tensors, 6);
}

TEST(NormLines, SidesAndWhatStandsBehindTheValue) {
  const auto llama = norm_lines(test::tiny_config("llama"));
  ASSERT_THAT(llama, SizeIs(1));
  EXPECT_EQ(llama[0].kind, "RMSNorm");
  EXPECT_EQ(llama[0].mlp, "pre");
  EXPECT_TRUE(llama[0].direct);
  EXPECT_EQ(norm_lines(test::tiny_config("gptj"))[0].mlp, "pre") << "the norm of attention serves both";

  ModelConfig post = test::tiny_config("llama");
  post.block.attention_norm = post.block.mlp_norm = false;
  post.block.attention_post_norm = post.block.mlp_post_norm = true;
  EXPECT_EQ(norm_lines(post)[0].attention, "post");
  EXPECT_EQ(norm_lines(post)[0].value_path, "behind a norm");

  const auto gemma = norm_lines(test::tiny_config("gemma2"));
  EXPECT_EQ(gemma[0].attention, "sandwich");
  EXPECT_EQ(gemma[0].mlp, "sandwich");
  EXPECT_FALSE(gemma[0].direct);
  EXPECT_EQ(gemma[0].value_path, "behind a norm, times 1.500000");
}

TEST(NormLines, BlocksOfAnotherKindHaveALineOfTheirOwn) {
  ModelConfig mixed = test::tiny_config("llama");
  mixed.blocks.assign(4, mixed.block);
  mixed.blocks[2].residual_multiplier = 0.5;
  const auto lines = norm_lines(mixed);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0].blocks, ElementsAre(0, 1, 3));
  EXPECT_THAT(lines[1].blocks, ElementsAre(2));
}

TEST(FfnShare, CountsGateUpAndDown) {
  const std::vector<RoleLine> lines = role_lines({{Role::kTokenEmbedding, -1, "e", "F32", {10, 4}, false, ""},
                                                  {Role::kMlpGate, 0, "g.0.w", "F16", {8, 4}, false, ""},
                                                  {Role::kMlpUp, 0, "u.0.w", "F16", {8, 4}, false, ""},
                                                  {Role::kMlpNorm, 0, "n.0.w", "F32", {4}, false, ""},
                                                  {Role::kMlpDown, 0, "d.0.w", "F16", {4, 8}, false, ""}});
  const FfnShare share = ffn_share(lines);
  EXPECT_EQ(share.parameters, 96);
  EXPECT_EQ(share.down_parameters, 32);
  EXPECT_EQ(share.all_parameters, 140);
  EXPECT_EQ(share.bytes, 192);
  EXPECT_EQ(share.all_bytes, 192 + 160 + 16);
}

}  // namespace
}  // namespace emend
