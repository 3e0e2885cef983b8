// StarCoder 2 (Lozhkov et al. 2024): rotary positions, LayerNorm, grouped queries, a plain MLP, biases, and
// in some a window.
#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.norm_eps = "norm_epsilon";
  names.default_norm_eps = 1e-5;
  names.tied_by_default = true;
  ModelConfig c = read_sizes(v, file, "starcoder2", names, NormKind::kLayerNorm);
  c.block.activation = read_activation(v, "hidden_act", "gelu_pytorch_tanh");
  if (!v.is_gguf())
    c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = v.boolean({"use_bias", ""}, true);
  c.block.window = v.integer({"sliding_window", "attention.sliding_window"}, 0);
  use_rotary(v, file, c);
  return c;
}

std::vector<TensorName> names() {
  const std::string block = "model.layers.{l}.", attention = block + "self_attn.";
  return joined({tensor(Role::kTokenEmbedding, "model.embed_tokens"),
                 tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "input_layernorm"),
                 tensors(Role::kQuery, Role::kQueryBias, attention + "q_proj"),
                 tensors(Role::kKey, Role::kKeyBias, attention + "k_proj"),
                 tensors(Role::kValue, Role::kValueBias, attention + "v_proj"),
                 tensors(Role::kAttentionOut, Role::kAttentionOutBias, attention + "o_proj"),
                 tensors(Role::kMlpNorm, Role::kMlpNormBias, block + "post_attention_layernorm"),
                 tensors(Role::kMlpUp, Role::kMlpUpBias, block + "mlp.c_fc"),
                 tensors(Role::kMlpDown, Role::kMlpDownBias, block + "mlp.c_proj"),
                 tensors(Role::kFinalNorm, Role::kFinalNormBias, "model.norm"),
                 tensor(Role::kHead, "lm_head")});
}

}  // namespace

Family starcoder2_family() {
  return {.name = "starcoder2",
          .model_types = {"starcoder2"},
          .gguf_architecture = "starcoder2",
          .prefix = "model.",
          .tensors = names(),
          .ignored = {".rotary_emb.inv_freq", "rope_freqs.weight"},
          .read_config = read_config};
}

}  // namespace emend
