// Small random models of both shapes whose every term shows in the output, and the plain way of asking them.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <string>
#include <vector>

#include "emend/generate.h"
#include "emend/model.h"
#include "model/rotary.h"

namespace emend::test {

inline ModelConfig tiny_config(const std::string& family, int layers = 4) {
  ModelConfig c;
  c.family = family;
  c.layers = layers;
  c.d_model = 32;
  c.heads = 4;
  c.head_dim = 8;
  c.vocab = 96;
  c.max_positions = 40;
  if (family == "gpt2") {
    c.d_ff = 96;
    c.kv_heads = 4;
    c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = true;
  } else if (family == "gptj") {
    c.d_ff = 96;
    c.kv_heads = 4;
    c.learned_positions = false;
    c.rotary = {{RotaryPairs::kInterleaved, rotary_frequencies(4, 10000.0)}};
    c.block.parallel = c.block.mlp_bias = c.head_bias = true;
    c.block.mlp_norm = false;
    c.tied_head = false;
  } else {
    c.d_ff = 80;
    c.kv_heads = 2;
    c.block.norm = NormKind::kRmsNorm;
    c.learned_positions = false;
    c.rotary = {{RotaryPairs::kHalfSplit, rotary_frequencies(c.head_dim, 10000.0)}};
    c.block.activation = ActivationKind::kSilu;
    c.block.gated_mlp = true;
    c.tied_head = false;
  }
  if (family == "gemma2") {  // values reach the stream through a norm and a multiplier; windows, soft caps
    c.block.attention_post_norm = c.block.mlp_post_norm = true;
    c.block.residual_multiplier = 1.5;
    c.block.attention_soft_cap = 3;
    c.logit_soft_cap = 8;
    c.embedding_multiplier = 1.25;
    c.blocks.assign(static_cast<std::size_t>(layers), c.block);
    for (std::size_t l = 0; l < c.blocks.size(); l += 2) c.blocks[l].window = 6;
  }
  return c;
}

// make_random's weights are those of a model before training, where blocks hardly do anything: here they are
// eight times larger.
inline Model tiny_model(const ModelConfig& config, std::uint64_t seed = 1) {
  Model model = Model::make_random(config, seed, {});
  const c10::NoGradGuard no_grad;
  const auto enlarge = [](at::Tensor weight) {
    if (weight.defined()) weight.mul_(8.0);
  };
  const ModelWeights& w = model.weights();
  enlarge(w.token_embedding);
  enlarge(w.position_embedding);
  if (!model.config().tied_head) enlarge(w.head);
  for (const BlockWeights& b : w.blocks)
    for (const at::Tensor& t : {b.qkv, b.qkv_bias, b.attention_out, b.attention_out_bias, b.mlp_in,
                                b.mlp_in_bias, b.mlp_down, b.mlp_down_bias})
      enlarge(t);
  return model;
}

inline Model tiny_model(const std::string& family, int layers = 4, std::uint64_t seed = 1) {
  return tiny_model(tiny_config(family, layers), seed);
}

// Ids that look random and depend on `seed` alone.
inline TokenIds some_ids(std::size_t count, std::int64_t vocab, std::uint64_t seed) {
  TokenIds ids;
  std::uint64_t state = seed * 2654435761u + 12345;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    ids.push_back(static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(vocab)));
  }
  return ids;
}

inline std::vector<std::int64_t> counting(std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> values;
  for (std::int64_t i = begin; i < end; ++i) values.push_back(i);
  return values;
}

inline at::Tensor index_of(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::kLong);
}

// One row alone, from its beginning: logits at every token [T, V].
inline at::Tensor plain_logits(const Model& model, const TokenIds& ids) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids = {ids};
  input.logit_tokens = counting(0, static_cast<std::int64_t>(ids.size()));
  return model.forward(input).logits;
}

// The vectors at a site at every token of one row alone [T, D or F].
inline at::Tensor plain_vectors(const Model& model, const TokenIds& ids, Site site, int block) {
  const c10::NoGradGuard no_grad;
  PassInput input;
  input.ids = {ids};
  input.recordings = {{site, block, {}}};
  return model.forward(input).recorded[0];
}

// Mean nll of the target's tokens after the prompt, from plain log-softmax in float64.
inline double plain_nll(const Model& model, const TokenIds& prompt, const TokenIds& target) {
  TokenIds all = prompt;
  all.insert(all.end(), target.begin(), target.end());
  const at::Tensor logprobs = at::log_softmax(plain_logits(model, all).to(at::kDouble), 1);
  double total = 0;
  for (std::size_t j = 0; j < target.size(); ++j)
    total -= logprobs[static_cast<std::int64_t>(prompt.size() + j) - 1][target[j]].item<double>();
  return total / static_cast<double>(target.size());
}

}  // namespace emend::test
