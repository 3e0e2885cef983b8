#include "model/role_table.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>

namespace emend {

namespace {

using Shape = std::vector<std::int64_t>;
using Rows = std::pair<std::int64_t, std::int64_t>;

Shape only(bool wanted, const Shape& shape) {
  return wanted ? shape : Shape();
}

bool has_bias(const BlockSpec& s) {
  return s.norm == NormKind::kLayerNorm;
}

std::int64_t query_rows(const ModelConfig& c) {
  return c.heads * c.head_dim;
}

std::int64_t key_rows(const ModelConfig& c) {
  return c.kv_heads * c.head_dim;
}

std::int64_t inner_rows(const ModelConfig& c, const BlockSpec& s) {
  return s.gated_mlp ? 2 * c.d_ff : c.d_ff;
}

Shape qk_norm_shape(const ModelConfig& c, const BlockSpec& s, std::int64_t heads) {
  switch (s.qk_norm) {
    case QkNorm::kNone:
      return {};
    case QkNorm::kPerHead:
      return {c.head_dim};
    case QkNorm::kFullWidth:
      return {heads * c.head_dim};
    case QkNorm::kEachHead:
      return {heads, c.head_dim};
  }
  return {};
}

bool has_qk_bias(const BlockSpec& s) {
  return has_bias(s) && s.qk_norm != QkNorm::kEachHead;
}

// A weight that is kept as it is, in a block or in the model.
template <typename Weights>
RoleInfo whole(Role role, const char* name, const char* gguf, at::Tensor Weights::*member, ShapeRule shape) {
  RoleInfo info{};
  info.role = role;
  info.name = name;
  info.gguf = gguf;
  if constexpr (std::is_same_v<Weights, BlockWeights>)
    info.in_block = member;
  else
    info.in_model = member;
  info.shape = shape;
  return info;
}

// Rows of a fused weight of a block.
RoleInfo part(Role role, const char* name, const char* gguf, at::Tensor BlockWeights::*member,
              PartRule rows) {
  RoleInfo info{};
  info.role = role;
  info.name = name;
  info.gguf = gguf;
  info.in_block = member;
  info.part = rows;
  return info;
}

RoleInfo with(RoleInfo info, RandomFill fill, ParameterGroup group, bool listed = false) {
  info.fill = fill;
  info.group = group;
  info.listed = listed;
  return info;
}

std::vector<RoleInfo> make_table() {
  using Fill = RandomFill;
  using Group = ParameterGroup;
  using Block = BlockWeights;
  using Whole = ModelWeights;
  return {
      with(whole(Role::kTokenEmbedding, "token embedding", "token_embd.weight", &Whole::token_embedding,
                 [](const ModelConfig& c, const BlockSpec&) {
                   return Shape{c.vocab, c.d_model};
                 }),
           Fill::kTable, Group::kTokenEmbedding, true),
      with(whole(Role::kPositionEmbedding, "position embedding", "position_embd.weight",
                 &Whole::position_embedding,
                 [](const ModelConfig& c, const BlockSpec&) {
                   return only(c.learned_positions, {c.max_positions + c.position_offset, c.d_model});
                 }),
           Fill::kTable, Group::kPositionEmbedding, true),
      with(whole(Role::kFinalNorm, "final norm", "output_norm.weight", &Whole::final_norm,
                 [](const ModelConfig& c, const BlockSpec&) { return Shape{c.d_model}; }),
           Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kFinalNormBias, "final norm bias", "output_norm.bias", &Whole::final_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) { return only(has_bias(s), {c.d_model}); }),
           Fill::kZeros, Group::kNorms),
      with(whole(Role::kHeadBias, "language model head bias", "output.bias", &Whole::head_bias,
                 [](const ModelConfig& c, const BlockSpec&) { return only(c.head_bias, {c.vocab}); }),
           Fill::kInner, Group::kHead),
      with(whole(Role::kHead, "language model head", "output.weight", &Whole::head,
                 [](const ModelConfig& c, const BlockSpec&) {
                   return only(!c.tied_head, {c.vocab, c.d_model});
                 }),
           Fill::kTable, Group::kHead, true),
      with(
          whole(Role::kAttentionNorm, "attention norm", "blk.{l}.attn_norm.weight", &Block::attention_norm,
                [](const ModelConfig& c, const BlockSpec& s) { return only(s.attention_norm, {c.d_model}); }),
          Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kAttentionNormBias, "attention norm bias", "blk.{l}.attn_norm.bias",
                 &Block::attention_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.attention_norm && has_bias(s), {c.d_model});
                 }),
           Fill::kZeros, Group::kNorms),
      with(whole(Role::kQkv, "query, key and value projection", "blk.{l}.attn_qkv.weight", &Block::qkv,
                 [](const ModelConfig& c, const BlockSpec&) {
                   return Shape{query_rows(c) + 2 * key_rows(c), c.d_model};
                 }),
           Fill::kInner, Group::kAttention, true),
      with(whole(Role::kQkvBias, "query, key and value bias", "blk.{l}.attn_qkv.bias", &Block::qkv_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.qkv_bias, {query_rows(c) + 2 * key_rows(c)});
                 }),
           Fill::kInner, Group::kAttention),
      with(part(Role::kQuery, "query projection", "blk.{l}.attn_q.weight", &Block::qkv,
                [](const ModelConfig& c, const BlockSpec&) {
                  return Rows{0, query_rows(c)};
                }),
           Fill::kInner, Group::kAttention),
      with(part(Role::kQueryBias, "query bias", "blk.{l}.attn_q.bias", &Block::qkv_bias,
                [](const ModelConfig& c, const BlockSpec&) {
                  return Rows{0, query_rows(c)};
                }),
           Fill::kInner, Group::kAttention),
      with(part(Role::kKey, "key projection", "blk.{l}.attn_k.weight", &Block::qkv,
                [](const ModelConfig& c, const BlockSpec&) {
                  return Rows{query_rows(c), key_rows(c)};
                }),
           Fill::kInner, Group::kAttention),
      with(part(Role::kKeyBias, "key bias", "blk.{l}.attn_k.bias", &Block::qkv_bias,
                [](const ModelConfig& c, const BlockSpec&) {
                  return Rows{query_rows(c), key_rows(c)};
                }),
           Fill::kInner, Group::kAttention),
      with(part(Role::kValue, "value projection", "blk.{l}.attn_v.weight", &Block::qkv,
                [](const ModelConfig& c, const BlockSpec&) {
                  return Rows{query_rows(c) + key_rows(c), key_rows(c)};
                }),
           Fill::kInner, Group::kAttention),
      with(part(Role::kValueBias, "value bias", "blk.{l}.attn_v.bias", &Block::qkv_bias,
                [](const ModelConfig& c, const BlockSpec&) {
                  return Rows{query_rows(c) + key_rows(c), key_rows(c)};
                }),
           Fill::kInner, Group::kAttention),
      with(whole(Role::kQueryNorm, "query norm", "blk.{l}.attn_q_norm.weight", &Block::query_norm,
                 [](const ModelConfig& c, const BlockSpec& s) { return qk_norm_shape(c, s, c.heads); }),
           Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kQueryNormBias, "query norm bias", "blk.{l}.attn_q_norm.bias", &Block::query_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(has_qk_bias(s), qk_norm_shape(c, s, c.heads));
                 }),
           Fill::kZeros, Group::kNorms),
      with(whole(Role::kKeyNorm, "key norm", "blk.{l}.attn_k_norm.weight", &Block::key_norm,
                 [](const ModelConfig& c, const BlockSpec& s) { return qk_norm_shape(c, s, c.kv_heads); }),
           Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kKeyNormBias, "key norm bias", "blk.{l}.attn_k_norm.bias", &Block::key_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(has_qk_bias(s), qk_norm_shape(c, s, c.kv_heads));
                 }),
           Fill::kZeros, Group::kNorms),
      with(whole(Role::kAttentionOut, "attention output projection", "blk.{l}.attn_output.weight",
                 &Block::attention_out,
                 [](const ModelConfig& c, const BlockSpec&) {
                   return Shape{c.d_model, query_rows(c)};
                 }),
           Fill::kOutput, Group::kAttention, true),
      with(whole(Role::kAttentionOutBias, "attention output bias", "blk.{l}.attn_output.bias",
                 &Block::attention_out_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.attention_out_bias, {c.d_model});
                 }),
           Fill::kOutput, Group::kAttention),
      with(whole(Role::kAttentionPostNorm, "norm of the attention output",
                 "blk.{l}.post_attention_norm.weight", &Block::attention_post_norm,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.attention_post_norm, {c.d_model});
                 }),
           Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kAttentionPostNormBias, "norm of the attention output bias",
                 "blk.{l}.post_attention_norm.bias", &Block::attention_post_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.attention_post_norm && has_bias(s), {c.d_model});
                 }),
           Fill::kZeros, Group::kNorms),
      with(whole(Role::kMlpNorm, "MLP norm", "blk.{l}.ffn_norm.weight", &Block::mlp_norm,
                 [](const ModelConfig& c, const BlockSpec& s) { return only(s.mlp_norm, {c.d_model}); }),
           Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kMlpNormBias, "MLP norm bias", "blk.{l}.ffn_norm.bias", &Block::mlp_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.mlp_norm && has_bias(s), {c.d_model});
                 }),
           Fill::kZeros, Group::kNorms),
      with(whole(Role::kMlpGateUp, "MLP gate and up projection", "blk.{l}.ffn_up.weight", &Block::mlp_in,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return Shape{inner_rows(c, s), c.d_model};
                 }),
           Fill::kInner, Group::kMlpUp),
      with(whole(
               Role::kMlpGateUpBias, "MLP gate and up bias", "blk.{l}.ffn_up.bias", &Block::mlp_in_bias,
               [](const ModelConfig& c, const BlockSpec& s) { return only(s.mlp_bias, {inner_rows(c, s)}); }),
           Fill::kInner, Group::kMlpUp),
      with(part(Role::kMlpGate, "MLP gate projection", "blk.{l}.ffn_gate.weight", &Block::mlp_in,
                [](const ModelConfig& c, const BlockSpec& s) {
                  return Rows{0, s.gated_mlp ? c.d_ff : 0};
                }),
           Fill::kInner, Group::kMlpUp),
      with(part(Role::kMlpGateBias, "MLP gate bias", "blk.{l}.ffn_gate.bias", &Block::mlp_in_bias,
                [](const ModelConfig& c, const BlockSpec& s) {
                  return Rows{0, s.gated_mlp ? c.d_ff : 0};
                }),
           Fill::kInner, Group::kMlpUp),
      with(part(Role::kMlpUp, "MLP up projection", "blk.{l}.ffn_up.weight", &Block::mlp_in,
                [](const ModelConfig& c, const BlockSpec& s) {
                  return Rows{s.gated_mlp ? c.d_ff : 0, c.d_ff};
                }),
           Fill::kInner, Group::kMlpUp, true),
      with(part(Role::kMlpUpBias, "MLP up bias", "blk.{l}.ffn_up.bias", &Block::mlp_in_bias,
                [](const ModelConfig& c, const BlockSpec& s) {
                  return Rows{s.gated_mlp ? c.d_ff : 0, c.d_ff};
                }),
           Fill::kInner, Group::kMlpUp),
      with(whole(Role::kMlpDown, "MLP down projection (the value projection)", "blk.{l}.ffn_down.weight",
                 &Block::mlp_down,
                 [](const ModelConfig& c, const BlockSpec&) {
                   return Shape{c.d_model, c.d_ff};
                 }),
           Fill::kOutput, Group::kMlpDown, true),
      with(whole(Role::kMlpDownBias, "MLP down bias", "blk.{l}.ffn_down.bias", &Block::mlp_down_bias,
                 [](const ModelConfig& c, const BlockSpec& s) { return only(s.mlp_bias, {c.d_model}); }),
           Fill::kOutput, Group::kMlpDown),
      with(whole(Role::kMlpPostNorm, "norm of the MLP output", "blk.{l}.post_ffw_norm.weight",
                 &Block::mlp_post_norm,
                 [](const ModelConfig& c, const BlockSpec& s) { return only(s.mlp_post_norm, {c.d_model}); }),
           Fill::kOnes, Group::kNorms, true),
      with(whole(Role::kMlpPostNormBias, "norm of the MLP output bias", "blk.{l}.post_ffw_norm.bias",
                 &Block::mlp_post_norm_bias,
                 [](const ModelConfig& c, const BlockSpec& s) {
                   return only(s.mlp_post_norm && has_bias(s), {c.d_model});
                 }),
           Fill::kZeros, Group::kNorms),
  };
}

const char* group_name(ParameterGroup group, bool tied_head) {
  switch (group) {
    case ParameterGroup::kTokenEmbedding:
      return "token embedding";
    case ParameterGroup::kPositionEmbedding:
      return "position embedding";
    case ParameterGroup::kAttention:
      return "attention";
    case ParameterGroup::kMlpUp:
      return "MLP up (keys)";
    case ParameterGroup::kMlpDown:
      return "MLP down (values)";
    case ParameterGroup::kNorms:
      return "norms";
    case ParameterGroup::kHead:
      return tied_head ? "head (tied)" : "head";
  }
  return "";
}

std::int64_t size_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.numel() : 0;
}

std::int64_t elements_of(const RoleInfo& info, const ModelWeights& weights) {
  if (info.in_model) return size_of(weights.*info.in_model);
  std::int64_t elements = 0;
  for (const BlockWeights& block : weights.blocks) elements += size_of(block.*info.in_block);
  return elements;
}

}  // namespace

const std::vector<RoleInfo>& role_table() {
  static const std::vector<RoleInfo> table = make_table();
  return table;
}

const RoleInfo& role_info(Role role) {
  const auto& table = role_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const RoleInfo& info) { return info.role == role; });
  if (found == table.end()) throw std::invalid_argument("role_info: no such Role");
  return *found;
}

bool is_block_role(Role role) {
  return role_info(role).in_block != nullptr;
}

bool is_norm_factor(Role role) {
  return role_info(role).fill == RandomFill::kOnes;
}

std::string role_name(Role role) {
  return role_info(role).name;
}

std::vector<std::pair<std::string, std::int64_t>> count_parameters(const ModelConfig& config,
                                                                   const ModelWeights& weights) {
  std::vector<std::pair<std::string, std::int64_t>> counts;
  for (int g = 0; g <= static_cast<int>(ParameterGroup::kHead); ++g) {
    const auto group = static_cast<ParameterGroup>(g);
    std::int64_t elements = 0;
    for (const RoleInfo& info : role_table()) {
      const bool is_embedding = info.role == Role::kHead && config.tied_head;  // counted as such
      if (info.group == group && info.is_whole() && !is_embedding) elements += elements_of(info, weights);
    }
    counts.emplace_back(group_name(group, config.tied_head), elements);
  }
  return counts;
}

}  // namespace emend
