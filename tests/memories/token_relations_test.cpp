// Related words and distant ones.
#include "memories/token_relations.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <string>

#include "memories/last_changes.h"
#include "support/world.h"

namespace emend {
namespace {

// 3,000 tokens: those that differ by a multiple of 300 are about one topic, a direction of its own beside
// noise.
at::Tensor topics() {
  at::manual_seed(4);
  at::Tensor table = at::randn({3000, 32}) + 3;  // with a mean that all share
  const at::Tensor directions = at::randn({300, 32});
  for (std::int64_t token = 0; token < 3000; ++token) table[token] += 4 * directions[token % 300];
  return table;
}

TEST(TokenRelations, TellPairsOfATopicFromOthers) {
  const TokenRelations relations(topics(), 3000, [](std::int64_t id) { return "w" + std::to_string(id); });
  int right = 0, pairs = 0;
  for (std::int64_t a = 0; a < 3000; a += 30)
    for (const std::int64_t b : {(a + 300) % 3000, (a + 97) % 3000}) {
      right += relations.related(a, b) == (a % 300 == b % 300) ? 1 : 0;
      ++pairs;
    }
  EXPECT_GE(right, 0.8 * pairs) << right << " of " << pairs;
  EXPECT_GT(relations.threshold(), 0);
  EXPECT_NEAR(relations.cosine(5, 5), 1, 1e-5);
}

// Special tokens stand first in many tables, and draws of similar frequency fall on them often: their rows
// are all alike where no text has them, which says nothing of words.
TEST(TokenRelations, RowsThatTrainingLeftAlikeSetNoThreshold) {
  at::Tensor table = topics();
  const auto name = [](std::int64_t id) { return "w" + std::to_string(id); };
  const double plain = TokenRelations(table, 3000, name).threshold();
  table.narrow(0, 0, 17).copy_(table[0].clone().expand({17, 32}));
  const double found = TokenRelations(table, 3000, name).threshold();
  EXPECT_LT(found, 0.9);
  EXPECT_NEAR(found, plain, 0.1);
}

// The mean is summed up in blocks, of which the last one is not full.
TEST(TokenRelations, ReadATableOfAnyType) {
  at::manual_seed(5);
  const at::Tensor table = (at::randn({9000, 8}) + 3).to(at::kBFloat16);
  const TokenRelations relations(table, 8999, [](std::int64_t id) { return std::to_string(id); });
  const at::Tensor rows = table.narrow(0, 0, 8999).to(at::kDouble);
  const at::Tensor plain = rows - rows.mean(0, true);
  const at::Tensor wanted = at::cosine_similarity(plain[3], plain[8998], 0);
  EXPECT_NEAR(relations.cosine(3, 8998), wanted.item<double>(), 1e-5);
}

TEST(TokenRelations, KnowTheStemOfAWord) {
  const std::map<std::int64_t, std::string> words = {
      {2, "walked"}, {103, " Walking"}, {4, "an"}, {205, "Ans"}};
  const TokenRelations relations(topics(), 3000, [&](std::int64_t id) {
    const auto word = words.find(id);
    return word == words.end() ? "w" + std::to_string(id) : word->second;
  });
  ASSERT_LT(relations.cosine(2, 103), relations.threshold()) << "not by their rows";
  ASSERT_LT(relations.cosine(4, 205), relations.threshold());
  EXPECT_TRUE(relations.related(2, 103));
  EXPECT_FALSE(relations.related(2, 205));
  EXPECT_FALSE(relations.related(4, 205)) << "two letters are no stem";
}

TEST(LastChanges, CountCompositionsOnly) {
  const Model model = test::load_world("llama");
  ExampleLayer composed, kept;
  composed.residual_top = 40, composed.ffn_top = 50, composed.output_top = 60;
  kept.residual_top = kept.output_top = 40, kept.ffn_top = 50;
  const LastLayerChanges changes = last_changes_of(model, {composed, kept, composed}, 0);
  EXPECT_EQ(changes.changed, 2);
  ASSERT_EQ(changes.pairs.size(), 1u);
  EXPECT_EQ(changes.pairs[0].count, 2);
  EXPECT_EQ(changes.related, changes.pairs[0].related ? 2 : 0);
  EXPECT_EQ(last_changes_of(model, {kept}, 0).changed, 0);
}

}  // namespace
}  // namespace emend
