// What is recorded at the sites of a block adds up to what the block does.
#include "emend/error.h"
#include "model/pass_fixture.h"

namespace emend {
namespace {

using test::index_of;
using test::near;
using test::plain_vectors;

class PassRecordings : public test::PassFixture {};
INSTANTIATE_TEST_SUITE_P(Shapes, PassRecordings, ::testing::Values("gpt2", "gptj", "llama"),
                         [](const auto& shape) { return shape.param; });

TEST_P(PassRecordings, MlpOutputIsTheDownProjectionOfTheKey) {
  const TokenIds row = ids(8, 22);
  for (int block = 0; block < 4; ++block) {
    const BlockWeights& weights = model_.weights().blocks[block];
    const at::Tensor key = plain_vectors(model_, row, Site::kKey, block).to(at::kDouble);
    at::Tensor value = at::matmul(key, weights.mlp_down.to(at::kDouble).t());
    if (weights.mlp_down_bias.defined()) value = value + weights.mlp_down_bias.to(at::kDouble);
    EXPECT_TRUE(near(plain_vectors(model_, row, Site::kMlpOutput, block), value, test::kPassRounding));
  }
}

TEST_P(PassRecordings, TheKeyIsMadeOfTheScores) {
  const TokenIds row = ids(8, 26);
  for (int block = 0; block < 4; ++block) {
    const at::Tensor gate = plain_vectors(model_, row, Site::kGate, block).to(at::kDouble),
                     key = plain_vectors(model_, row, Site::kKey, block);
    if (!model_.config().spec(block).gated_mlp) {
      EXPECT_TRUE(near(key, at::gelu(gate, "tanh"), test::kPassRounding));
      EXPECT_THROW(plain_vectors(model_, row, Site::kUp, block), Error);
      continue;
    }
    const at::Tensor up = plain_vectors(model_, row, Site::kUp, block).to(at::kDouble);
    EXPECT_TRUE(near(key, at::silu(gate) * up, test::kPassRounding));
  }
}

TEST_P(PassRecordings, WhatReplacesAScoreMakesTheKey) {
  PassInput input;
  input.ids = {ids(8, 27)};
  const at::Tensor gate = plain_vectors(model_, input.ids[0], Site::kGate, 1);
  input.interventions = {{Site::kGate, 1, Intervention::Kind::kReplace, index_of({3}), gate.narrow(0, 5, 1)}};
  input.recordings = {{Site::kGate, 1, index_of({3, 4})}, {Site::kKey, 1, index_of({3, 4, 5})}};
  const PassOutput output = model_.forward(input);
  EXPECT_TRUE(at::equal(output.recorded[0][0], gate[5]));
  EXPECT_TRUE(at::equal(output.recorded[0][1], gate[4]));
  if (!model_.config().spec(1).gated_mlp) {
    EXPECT_TRUE(at::equal(output.recorded[1][0], output.recorded[1][2]));
  }
}

TEST_P(PassRecordings, ResidualStreamIsTheSumOfWhatWasAdded) {
  const TokenIds row = ids(8, 23);
  at::Tensor x = plain_vectors(model_, row, Site::kEmbedding, 0);
  for (int block = 0; block < 4; ++block) {
    x = x + plain_vectors(model_, row, Site::kAttentionOutput, block) +
        plain_vectors(model_, row, Site::kMlpOutput, block);
    EXPECT_TRUE(near(plain_vectors(model_, row, Site::kBlockOutput, block), x, test::kPassRounding));
  }
  at::Tensor tokens = plain_vectors(model_, row, Site::kTokenEmbedding, 0);
  EXPECT_TRUE(near(tokens, model_.weights().token_embedding.index_select(0, index_of(row)), 0));
  if (model_.weights().position_embedding.defined())
    tokens = tokens + model_.weights().position_embedding.narrow(0, 0, 8);
  EXPECT_TRUE(near(plain_vectors(model_, row, Site::kEmbedding, 0), tokens, 1e-6));
}

TEST_P(PassRecordings, AnObserverGetsWhatWouldHaveBeenRecordedInOrder) {
  PassInput input;
  input.ids = {ids(8, 24), ids(5, 25)};
  input.stop = PassInput::Stop::kKey;
  input.stop_block = 3;
  input.recordings = {{Site::kKey, 0, index_of({1, 9})}, {Site::kBlockOutput, 1, {}}, {Site::kKey, 3, {}}};
  const PassOutput kept = model_.forward(input);
  std::vector<std::size_t> order;
  input.on_recorded = [&](std::size_t recording, const at::Tensor& vectors) {
    order.push_back(recording);
    EXPECT_TRUE(at::equal(vectors, kept.recorded[recording]));
  };
  const PassOutput output = model_.forward(input);
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2}));
  for (const at::Tensor& vectors : output.recorded) EXPECT_FALSE(vectors.defined());
}

}  // namespace
}  // namespace emend
