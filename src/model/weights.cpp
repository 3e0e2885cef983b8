#include "model/weights.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <map>

#include "emend/error.h"
#include "model/device_memory.h"

namespace emend {

std::string role_name(Role role) {
  switch (role) {
    case Role::kTokenEmbedding:
      return "token embedding";
    case Role::kPositionEmbedding:
      return "position embedding";
    case Role::kAttentionNorm:
      return "attention norm";
    case Role::kAttentionNormBias:
      return "attention norm bias";
    case Role::kQkv:
      return "query, key and value projection";
    case Role::kQkvBias:
      return "query, key and value bias";
    case Role::kQuery:
      return "query projection";
    case Role::kQueryBias:
      return "query bias";
    case Role::kKey:
      return "key projection";
    case Role::kKeyBias:
      return "key bias";
    case Role::kValue:
      return "value projection";
    case Role::kValueBias:
      return "value bias";
    case Role::kAttentionOut:
      return "attention output projection";
    case Role::kAttentionOutBias:
      return "attention output bias";
    case Role::kMlpNorm:
      return "MLP norm";
    case Role::kMlpNormBias:
      return "MLP norm bias";
    case Role::kMlpGate:
      return "MLP gate projection";
    case Role::kMlpGateBias:
      return "MLP gate bias";
    case Role::kMlpUp:
      return "MLP up projection";
    case Role::kMlpUpBias:
      return "MLP up bias";
    case Role::kMlpDown:
      return "MLP down projection (the value projection)";
    case Role::kMlpDownBias:
      return "MLP down bias";
    case Role::kFinalNorm:
      return "final norm";
    case Role::kFinalNormBias:
      return "final norm bias";
    case Role::kHead:
      return "language model head";
    case Role::kHeadBias:
      return "language model head bias";
  }
  return "unknown role";
}

std::string weight_name(const WeightRef& weight) {
  const std::string expert = weight.expert < 0 ? "" : ", expert " + std::to_string(weight.expert);
  return role_name(weight.role) + " of block " + std::to_string(weight.block) + expert;
}

bool is_block_role(Role role) {
  switch (role) {
    case Role::kTokenEmbedding:
    case Role::kPositionEmbedding:
    case Role::kFinalNorm:
    case Role::kFinalNormBias:
    case Role::kHead:
    case Role::kHeadBias:
      return false;
    default:
      return true;
  }
}

void check_config(const ModelConfig& c, const std::string& where) {
  const auto require = [&](bool ok, const std::string& rule) {
    if (!ok) throw Error(ErrorKind::kModel, where + ": " + rule);
  };
  require(c.layers > 0 && c.layers <= 10000,
          fmt::format("the number of layers must be between 1 and 10000, found {}", c.layers));
  require(c.d_model > 0 && c.d_ff > 0 && c.vocab > 0 && c.max_positions > 0,
          "hidden size, MLP size, vocabulary and positions must be positive");
  require(c.d_model < (1 << 24) && c.d_ff < (1 << 24) && c.vocab < (1 << 24),
          "a size is larger than any real model's");
  require(c.heads > 0 && c.kv_heads > 0 && c.heads % c.kv_heads == 0,
          fmt::format("the number of heads ({}) must be a multiple of the key/value heads ({})", c.heads,
                      c.kv_heads));
  require(c.head_dim > 0 && (c.positions == PositionKind::kLearned || c.head_dim % 2 == 0),
          "the head size must be even and positive");
  const std::int64_t turned = 2 * static_cast<std::int64_t>(c.rotary_frequencies.size());
  require(c.positions == PositionKind::kLearned || turned == c.head_dim ||
              (turned < c.head_dim && c.positions == PositionKind::kRotaryInterleaved),
          fmt::format("the rotary dimensions ({}) do not fit the head size ({})", turned, c.head_dim));
  require(c.family != "gpt2" || c.heads * c.head_dim == c.d_model,
          "the hidden size must be a multiple of the number of heads");
}

namespace {

BlockWeights allocate_block(const ModelConfig& c, const at::TensorOptions& options) {
  const auto vector = [&](bool wanted, std::int64_t size) {
    return wanted ? at::empty({size}, options) : at::Tensor();
  };
  const bool norm_bias = c.norm == NormKind::kLayerNorm;
  const std::int64_t qkv_rows = (c.heads + 2 * c.kv_heads) * c.head_dim,
                     inner = c.gated_mlp ? 2 * c.d_ff : c.d_ff;
  BlockWeights b;
  b.attention_norm = at::empty({c.d_model}, options);
  b.attention_norm_bias = vector(norm_bias, c.d_model);
  b.qkv = at::empty({qkv_rows, c.d_model}, options);
  b.qkv_bias = vector(c.qkv_bias, qkv_rows);
  b.attention_out = at::empty({c.d_model, c.heads * c.head_dim}, options);
  b.attention_out_bias = vector(c.attention_out_bias, c.d_model);
  b.mlp_norm = vector(!c.parallel_blocks, c.d_model);
  b.mlp_norm_bias = vector(norm_bias && !c.parallel_blocks, c.d_model);
  b.mlp_in = at::empty({inner, c.d_model}, options);
  b.mlp_in_bias = vector(c.mlp_bias, inner);
  b.mlp_down = at::empty({c.d_model, c.d_ff}, options);
  b.mlp_down_bias = vector(c.mlp_bias, c.d_model);
  return b;
}

ModelWeights allocate(const ModelConfig& c, const at::TensorOptions& options,
                      const std::vector<at::Device>& block_device) {
  ModelWeights w;
  w.token_embedding = at::empty({c.vocab, c.d_model}, options);
  if (c.positions == PositionKind::kLearned)
    w.position_embedding = at::empty({c.max_positions, c.d_model}, options);
  for (const at::Device& device : block_device) w.blocks.push_back(allocate_block(c, options.device(device)));
  w.final_norm = at::empty({c.d_model}, options);
  if (c.norm == NormKind::kLayerNorm) w.final_norm_bias = at::empty({c.d_model}, options);
  w.head = c.tied_head ? w.token_embedding : at::empty({c.vocab, c.d_model}, options);
  if (c.head_bias) w.head_bias = at::empty({c.vocab}, options);
  return w;
}

std::int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  std::int64_t bytes = 0;
  for (const at::Tensor& t : tensors) bytes += static_cast<std::int64_t>(t.nbytes());
  return bytes;
}

// Throws when a device has less room than its share of the weights takes.
void require_room(const ModelConfig& c, const at::TensorOptions& options,
                  const std::vector<at::Device>& block_device) {
  const at::TensorOptions nowhere = options.device(at::kMeta);
  const std::int64_t block = c.layers == 0 ? 0
                                           : bytes_of(all_weights(allocate(c, nowhere, {at::kMeta}))) -
                                                 bytes_of(all_weights(allocate(c, nowhere, {})));
  const std::int64_t tables = bytes_of(all_weights(allocate(c, nowhere, {})));
  std::map<std::string, std::pair<at::Device, std::int64_t>> needed;
  const auto add = [&](const at::Device& device, std::int64_t bytes) {
    needed.try_emplace(device.str(), device, 0).first->second.second += bytes;
  };
  add(options.device(), tables);
  for (const at::Device& device : block_device) add(device, block);
  for (const auto& [name, share] : needed)
    require_room_for_weights(share.second, options.device(share.first));
}

}  // namespace

ModelWeights allocate_weights(const ModelConfig& config, const at::TensorOptions& options,
                              const std::vector<at::Device>& block_device) {
  require_room(config, options, block_device);
  return allocate(config, options, block_device);
}

at::Tensor weight_view(ModelWeights& w, const ModelConfig& c, Role role, int block) {
  const auto part = [](const at::Tensor& whole, std::int64_t begin, std::int64_t count) {
    return whole.defined() ? whole.narrow(0, begin, count) : at::Tensor();
  };
  const std::int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  switch (role) {
    case Role::kTokenEmbedding:
      return w.token_embedding;
    case Role::kPositionEmbedding:
      return w.position_embedding;
    case Role::kFinalNorm:
      return w.final_norm;
    case Role::kFinalNormBias:
      return w.final_norm_bias;
    case Role::kHead:
      return c.tied_head ? at::Tensor() : w.head;
    case Role::kHeadBias:
      return w.head_bias;
    default:
      break;
  }
  const BlockWeights& b = w.blocks.at(block);
  switch (role) {
    case Role::kAttentionNorm:
      return b.attention_norm;
    case Role::kAttentionNormBias:
      return b.attention_norm_bias;
    case Role::kQkv:
      return b.qkv;
    case Role::kQkvBias:
      return b.qkv_bias;
    case Role::kQuery:
      return part(b.qkv, 0, q);
    case Role::kQueryBias:
      return part(b.qkv_bias, 0, q);
    case Role::kKey:
      return part(b.qkv, q, kv);
    case Role::kKeyBias:
      return part(b.qkv_bias, q, kv);
    case Role::kValue:
      return part(b.qkv, q + kv, kv);
    case Role::kValueBias:
      return part(b.qkv_bias, q + kv, kv);
    case Role::kAttentionOut:
      return b.attention_out;
    case Role::kAttentionOutBias:
      return b.attention_out_bias;
    case Role::kMlpNorm:
      return b.mlp_norm;
    case Role::kMlpNormBias:
      return b.mlp_norm_bias;
    case Role::kMlpGate:
      return c.gated_mlp ? part(b.mlp_in, 0, c.d_ff) : at::Tensor();
    case Role::kMlpGateBias:
      return c.gated_mlp ? part(b.mlp_in_bias, 0, c.d_ff) : at::Tensor();
    case Role::kMlpUp:
      return part(b.mlp_in, c.gated_mlp ? c.d_ff : 0, c.d_ff);
    case Role::kMlpUpBias:
      return part(b.mlp_in_bias, c.gated_mlp ? c.d_ff : 0, c.d_ff);
    case Role::kMlpDown:
      return b.mlp_down;
    case Role::kMlpDownBias:
      return b.mlp_down_bias;
    default:
      return {};
  }
}

std::vector<at::Tensor> all_weights(const ModelWeights& weights) {
  std::vector<at::Tensor> all;
  const auto add = [&](const at::Tensor& tensor) {
    if (tensor.defined()) all.push_back(tensor);
  };
  for (const at::Tensor& t : {weights.token_embedding, weights.position_embedding, weights.final_norm,
                              weights.final_norm_bias, weights.head_bias})
    add(t);
  if (!weights.head.is_same(weights.token_embedding)) add(weights.head);
  for (const BlockWeights& b : weights.blocks)
    for (const at::Tensor& t :
         {b.attention_norm, b.attention_norm_bias, b.qkv, b.qkv_bias, b.attention_out, b.attention_out_bias,
          b.mlp_norm, b.mlp_norm_bias, b.mlp_in, b.mlp_in_bias, b.mlp_down, b.mlp_down_bias})
      add(t);
  return all;
}

}  // namespace emend
