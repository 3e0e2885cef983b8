// Phi 1, 1.5 and 2 (2023): attention and MLP side by side behind one LayerNorm, rotary positions on a part of
// each head, biases everywhere, also at the head. And Phi 3 and 4 (2024): Llama with fused projections, where
// rows longer than the model was trained on turn otherwise (longrope).
#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

ModelConfig read_phi(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.norm_eps = "layer_norm_eps";
  names.default_norm_eps = 1e-5;
  ModelConfig c = read_sizes(v, file, "phi", names, NormKind::kLayerNorm);
  c.block.activation = read_activation(v, "hidden_act", "gelu_new");
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = c.head_bias = true;
  c.block.parallel = true;
  c.block.mlp_norm = false;
  if (v.boolean({"qk_layernorm", ""}, false)) c.block.qk_norm = QkNorm::kPerHead;
  RopeDefaults rope;
  rope.partial = 0.5;
  rope.takes_partial = true;
  use_rotary(v, file, c, rope);
  return c;
}

ModelConfig read_phi3(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.default_norm_eps = 1e-5;
  ModelConfig c = read_sizes(v, file, "phi3", names);
  c.block.activation = read_activation(v, "hidden_act", "silu");
  c.block.gated_mlp = true;
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = false;
  c.block.window = v.integer({"sliding_window", "attention.sliding_window"}, 0);
  RopeDefaults rope;
  rope.yarn_is_longrope = true;
  rope.takes_partial = true;
  rope.original_positions = 4096;
  use_rotary(v, file, c, rope);
  return c;
}

std::vector<TensorName> phi_names() {
  const std::string block = "model.layers.{l}.", attention = block + "self_attn.";
  return joined({tensor(Role::kTokenEmbedding, "model.embed_tokens"),
                 tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "input_layernorm"),
                 {{Role::kQkv, "", "blk.{l}.attn_qkv.weight"}, {Role::kQkvBias, "", "blk.{l}.attn_qkv.bias"}},
                 tensors(Role::kQuery, Role::kQueryBias, attention + "q_proj"),
                 tensors(Role::kKey, Role::kKeyBias, attention + "k_proj"),
                 tensors(Role::kValue, Role::kValueBias, attention + "v_proj"),
                 tensors(Role::kQueryNorm, Role::kQueryNormBias, attention + "q_layernorm"),
                 tensors(Role::kKeyNorm, Role::kKeyNormBias, attention + "k_layernorm"),
                 tensors(Role::kAttentionOut, Role::kAttentionOutBias, attention + "dense"),
                 tensors(Role::kMlpUp, Role::kMlpUpBias, block + "mlp.fc1"),
                 tensors(Role::kMlpDown, Role::kMlpDownBias, block + "mlp.fc2"),
                 tensors(Role::kFinalNorm, Role::kFinalNormBias, "model.final_layernorm"),
                 tensors(Role::kHead, Role::kHeadBias, "lm_head")});
}

std::vector<TensorName> phi3_names() {
  const std::string block = "model.layers.{l}.";
  return joined({tensor(Role::kTokenEmbedding, "model.embed_tokens"), llama_norms(),
                 tensor(Role::kQkv, block + "self_attn.qkv_proj"),
                 tensor(Role::kAttentionOut, block + "self_attn.o_proj"),
                 tensor(Role::kMlpGateUp, block + "mlp.gate_up_proj"),
                 tensor(Role::kMlpDown, block + "mlp.down_proj"), tensor(Role::kFinalNorm, "model.norm"),
                 tensor(Role::kHead, "lm_head")});
}

}  // namespace

Family phi_family() {
  return {.name = "phi",
          .model_types = {"phi"},
          .gguf_architecture = "phi2",
          .prefix = "model.",
          .tensors = phi_names(),
          .ignored = {".rotary_emb.inv_freq"},
          .read_config = read_phi};
}

Family phi3_family() {
  return {.name = "phi3",
          .model_types = {"phi3"},
          .gguf_architecture = "phi3",
          .prefix = "model.",
          .tensors = phi3_names(),
          .ignored = {".rotary_emb.inv_freq", "rope_factors_long.weight", "rope_factors_short.weight"},
          .read_config = read_phi3};
}

}  // namespace emend
