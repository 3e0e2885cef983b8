// Who made a key: sums that must come out, and a head that is planted.
#include "memories/stream_sources.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "emend/memory_view.h"
#include "model/layers.h"
#include "support/family_models.h"
#include "support/tiny_models.h"
#include "support/world.h"

namespace emend {
namespace {

using testing::SizeIs;

double total_of(const SourceSum& sum) {
  return sum.embedding + sum.positions + sum.biases + sum.ffn + sum.heads;
}

// The key (`up`) or gate of a cell, as a reader of the stream that the pass recorded.
StreamReader reader_of(const Model& model, const FoldedKeys& key, const at::Tensor& read, double score,
                       int layer, std::int64_t position) {
  const FfnView view(model, layer);
  const double size = view.input_size(read[position].unsqueeze(0)).item<double>();
  return {key.rows[0] / size, key.bias.item<double>(), score, position, layer, !view.spec().parallel};
}

// Readers of some cells of all layers at two tokens. Their values are what the pass itself put into the
// activation.
std::vector<StreamReader> readers_of(const Model& model, const TokenIds& ids,
                                     const std::vector<std::int64_t>& positions) {
  std::vector<StreamReader> readers;
  for (int l = 0; l < model.config().layers; ++l) {
    const FfnView view(model, l);
    // What the network reads: the stream that leaves the block, without what the network (and in a parallel
    // block attention) adds.
    at::Tensor read =
        test::plain_vectors(model, ids, l == 0 ? Site::kEmbedding : Site::kBlockOutput, l == 0 ? 0 : l - 1);
    if (!view.spec().parallel)
      read = read + attention_contribution(test::plain_vectors(model, ids, Site::kAttentionOutput, l),
                                           model.weights().block(l), view.spec());
    const at::Tensor gate = test::plain_vectors(model, ids, Site::kGate, l);
    const at::Tensor up = view.is_gated() ? test::plain_vectors(model, ids, Site::kUp, l) : gate;
    for (const std::int64_t position : positions)
      for (const std::int64_t cell : {std::int64_t{0}, view.cells() / 3, view.cells() - 1}) {
        readers.push_back(
            reader_of(model, view.folded_key(cell), read, up[position][cell].item<double>(), l, position));
        if (view.is_gated())
          readers.push_back(reader_of(model, view.folded_gate(cell), read,
                                      gate[position][cell].item<double>(), l, position));
      }
  }
  return readers;
}

void expect_sums(const Model& model, const TokenIds& ids, const std::string& what) {
  const c10::NoGradGuard no_grad;
  const auto last = static_cast<std::int64_t>(ids.size()) - 1;
  const std::vector<StreamReader> readers = readers_of(model, ids, {2, last});
  const std::vector<SourceSum> sums = StreamSources(model, ids, {last, 2, last}).sums(readers, 1000);
  ASSERT_THAT(sums, SizeIs(readers.size()));
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const SourceSum& sum = sums[i];
    double size = 1, listed = 0, tokens = 0;
    for (const ExplainSource& source : sum.strongest) {
      size += std::abs(source.share);
      listed += source.share;
      if (source.kind != ExplainSource::Kind::kHead) continue;
      EXPECT_LE(source.position, readers[i].position) << what << ": nothing reads what comes behind it";
      EXPECT_LT(source.layer, readers[i].blocks + (readers[i].attention ? 1 : 0)) << what;
    }
    for (const double token : sum.tokens) tokens += token;
    EXPECT_NEAR(total_of(sum), sum.value, 1e-5 * size) << what << " reader " << i;
    EXPECT_NEAR(listed, total_of(sum), 1e-9 * size) << what << ": all sources are listed";
    EXPECT_NEAR(tokens, sum.heads, 1e-9 * size) << what;
  }
}

TEST(StreamSources, AddUpToTheScoresOfEveryFamily) {
  for (const std::string& name : test::family_checkpoints()) {
    const Model model = Model::load(test::data_path("families/" + name));
    expect_sums(model, test::some_ids(7, 60, 5), name);
  }
}

TEST(StreamSources, AddUpInModelsWithLargeTerms) {
  for (const std::string shape : {"gpt2", "gptj", "llama", "gemma2"})
    expect_sums(test::tiny_model(shape, 3), test::some_ids(9, 90, 8), shape);
}

// One head of layer 1 carries what marks token 3 to the others; cell 5 of layer 2 reads it there.
TEST(StreamSources, FindTheHeadAndTheTokenThatMadeAKey) {
  const Model model = test::tiny_model("llama", 3);
  const c10::NoGradGuard no_grad;
  for (const BlockWeights& block : model.weights().blocks) {
    at::Tensor(block.attention_out).zero_();
    at::Tensor(block.mlp_down).zero_();
  }
  constexpr std::int64_t kMark = 4, kCarried = 9, kHead = 2, kToken = 3;
  at::Tensor table = model.weights().token_embedding;
  table.select(1, kMark).zero_();
  table.select(1, kCarried).zero_();
  const TokenIds ids = {11, 12, 13, 77, 15, 16};
  table[77][kMark] = 4;
  const ModelConfig& config = model.config();  // 4 heads of 8 over 2 of keys and values
  at::Tensor values =
      at::Tensor(model.weights().blocks[1].qkv).narrow(0, 4 * 8 + 2 * 8 + 8, 8);  // of heads 2 and 3
  values.zero_();
  values[0][kMark] = 1;
  at::Tensor(model.weights().blocks[1].attention_out)[kCarried][kHead * config.head_dim] = 1;
  at::Tensor key = at::Tensor(model.weights().blocks[2].mlp_in)[config.d_ff + 5];
  key.zero_();
  key[kCarried] = 1;

  const FfnView view(model, 2);
  const at::Tensor read =
      test::plain_vectors(model, ids, Site::kBlockOutput, 1);  // layer 2's attention adds nothing
  const double score = test::plain_vectors(model, ids, Site::kUp, 2)[5][5].item<double>();
  ASSERT_GT(score, 0.01);
  const SourceSum sum =
      StreamSources(model, ids, {5}).sums({reader_of(model, view.folded_key(5), read, score, 2, 5)}, 4)[0];
  ASSERT_FALSE(sum.strongest.empty());
  const ExplainSource& first = sum.strongest[0];
  EXPECT_EQ(first.kind, ExplainSource::Kind::kHead);
  EXPECT_EQ(first.layer, 1);
  EXPECT_EQ(first.head, kHead);
  EXPECT_EQ(first.position, kToken);
  EXPECT_NEAR(first.share, score, 1e-5);
  EXPECT_NEAR(sum.tokens[kToken], score, 1e-5);
  EXPECT_NEAR(sum.embedding, 0, 1e-6);
}

// The sources of the logit and of the cells, as run_explain gives them.
TEST(StreamSources, StandInAnExplanation) {
  for (const std::string shape : {"gpt2", "llama"}) {
    const Model model = test::load_world(shape);
    const EditRequest fact = test::world_edits(1)[0];
    ExplainOptions options{.prompt = fact.prompt, .token = fact.was, .against = fact.target, .cells = 6};
    EXPECT_FALSE(run_explain(model, options).logit_sources.has_value());
    options.sources = 3;
    const ExplainOutcome outcome = run_explain(model, options);
    ASSERT_TRUE(outcome.logit_sources.has_value());
    EXPECT_NEAR(total_of(*outcome.logit_sources), outcome.logit, 1e-3) << shape;
    EXPECT_EQ(outcome.logit_sources->value, outcome.logit);
    for (const ExplainCell& cell : outcome.cells) {
      ASSERT_TRUE(cell.up_sources.has_value());
      EXPECT_EQ(cell.up_sources->value, cell.up);
      EXPECT_THAT(cell.up_sources->strongest, SizeIs(3));
      EXPECT_NEAR(total_of(*cell.up_sources), cell.up, 1e-4 * std::max(1.0, std::abs(cell.up))) << shape;
      ASSERT_EQ(cell.gate_sources.has_value(), shape == "llama");
      if (cell.gate_sources) {
        EXPECT_NEAR(total_of(*cell.gate_sources), *cell.gate, 1e-4 * std::max(1.0, std::abs(*cell.gate)));
      }
    }
  }
}

}  // namespace
}  // namespace emend
