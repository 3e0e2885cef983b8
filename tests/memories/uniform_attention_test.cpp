// Fixture F2 with attention: a key of a topic.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "emend/memory_patterns.h"
#include "memories/scans.h"

namespace emend {
namespace {

// F2: attention to all tokens alike counts those of a topic into the stream, and a cell reads that number:
// its coefficient is the share of the topic. Where all is topic, no token taken away changes it, the last no
// more than others.
TEST(UniformAttention, F2AKeyOfATopicIsItsShareAndLosesNothing) {
  const c10::NoGradGuard no_gradients;
  constexpr std::int64_t kCell = 11, kConstant = 0, kTopic = 1, kCount = 2;  // the last three of the stream
  constexpr double kLarge = 100;  // in every token, so that norms divide all of them by nearly one number
  const Model model = test::load_world("llama");
  const ModelConfig& config = model.config();
  ScanOptions options = test::small_scan(model);
  options.layers = {0};
  options.dedup = Dedup::kNone;
  const auto text = test::text_of(model, options);
  const std::vector<PlacedRow> rows = text->rows();
  const std::set<std::int64_t> topic(rows[0].ids.begin(), rows[0].ids.end());
  const ModelWeights& weights = model.weights();
  weights.token_embedding.zero_();
  weights.token_embedding.select(1, kConstant).fill_(kLarge);
  for (const std::int64_t id : topic) weights.token_embedding[id][kTopic].fill_(1);
  const BlockWeights& block = weights.blocks[0];
  block.attention_norm.fill_(1);
  block.mlp_norm.fill_(1);
  block.qkv.zero_();
  block.qkv[(config.heads + config.kv_heads) * config.head_dim][kTopic].fill_(1);  // the first value
  block.attention_out.zero_();
  block.attention_out[kCount][0].fill_(1);
  const double d = static_cast<double>(config.d_model), constant = std::sqrt(d);  // as the norm leaves it
  for (const std::int64_t row : {kCell, config.d_ff + kCell}) block.mlp_in[row].zero_();
  block.mlp_in[kCell][kConstant].fill_(1);
  block.mlp_in[config.d_ff + kCell][kCount].fill_(kLarge * kLarge / d);
  const double whole = constant / (1 + std::exp(-constant));  // of the gate

  const test::Recorder seen = test::record(model, *text, 0);
  for (const std::size_t r : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    double count = 0;
    for (std::size_t j = 0; j < rows[r].ids.size(); ++j) {
      count += topic.contains(rows[r].ids[j]) ? 1 : 0;
      if (j == 0) continue;  // does not count
      const double share = count / static_cast<double>(j + 1);
      EXPECT_NEAR(seen.keys.at(rows[r].address + j)[kCell].item<double>() / whole, share, 1e-3)
          << "row " << r << ", token " << j;
    }
  }
  const test::TempFolder folder;
  test::scan_into(model, options, folder / "index");
  const MemoryIndex index(folder / "index");
  EXPECT_NEAR(index.cell({0, kCell}).high.back().coefficient / whole, 1, 1e-3);
  PatternsOutcome outcome;
  outcome.layers.push_back({0});
  outcome.cells.push_back({{0, kCell}, true, {}, {}});
  measure_mutations(model, {.index = folder / "index"}, {.unit = MutationUnit::kToken}, outcome);
  ASSERT_EQ(outcome.mutated.size(), 1U);
  EXPECT_EQ(outcome.mutated[0].prefixes, 5);
  for (const Mutation mutation : {Mutation::kFirst, Mutation::kLast, Mutation::kRandom})
    EXPECT_NEAR(outcome.mutated[0].change[static_cast<std::size_t>(mutation)], 0, 0.1) << to_string(mutation);
  EXPECT_LT(outcome.mutated[0].shallow_index, 1e-3);
}

}  // namespace
}  // namespace emend
