// GPT-NeoX (Black et al. 2022) and Pythia: attention and MLP side by side, each behind a LayerNorm of its
// own, rotary positions on a part of each head, queries, keys and values stored head by head.
#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.kv_heads = names.head_dim = "";
  names.norm_eps = "layer_norm_eps";
  names.default_norm_eps = 1e-5;
  ModelConfig c = read_sizes(v, file, "gpt_neox", names, NormKind::kLayerNorm);
  c.block.activation = read_activation(v, "hidden_act", "gelu");
  if (!v.is_gguf()) c.block.qkv_bias = c.block.attention_out_bias = v.boolean({"attention_bias", ""}, true);
  c.block.mlp_bias = true;
  c.block.parallel = v.boolean({"use_parallel_residual", "use_parallel_residual"}, true);
  RopeDefaults rope;
  rope.base_name = "rotary_emb_base";
  rope.partial_name = "rotary_pct";
  rope.partial = 0.25;
  rope.takes_partial = true;
  use_rotary(v, file, c, rope);
  return c;
}

std::vector<TensorName> names() {
  const std::string block = "gpt_neox.layers.{l}.", attention = block + "attention.", mlp = block + "mlp.";
  std::vector<TensorName> head = tensor(Role::kHead, "embed_out");
  head.front().safetensors += "|lm_head.weight";
  return joined({tensor(Role::kTokenEmbedding, "gpt_neox.embed_in"),
                 tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "input_layernorm"),
                 tensors(Role::kQkv, Role::kQkvBias, attention + "query_key_value", StoredForm::kGroupedQkv),
                 tensors(Role::kAttentionOut, Role::kAttentionOutBias, attention + "dense"),
                 tensors(Role::kMlpNorm, Role::kMlpNormBias, block + "post_attention_layernorm"),
                 tensors(Role::kMlpUp, Role::kMlpUpBias, mlp + "dense_h_to_4h"),
                 tensors(Role::kMlpDown, Role::kMlpDownBias, mlp + "dense_4h_to_h"),
                 tensors(Role::kFinalNorm, Role::kFinalNormBias, "gpt_neox.final_layer_norm"), head});
}

}  // namespace

Family gpt_neox_family() {
  return {.name = "gpt_neox",
          .model_types = {"gpt_neox"},
          .gguf_architecture = "gptneox",
          .prefix = "gpt_neox.",
          .tensors = names(),
          .ignored = {".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"},
          .read_config = read_config};
}

}  // namespace emend
