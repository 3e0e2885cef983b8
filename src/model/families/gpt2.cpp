// GPT-2 (Radford et al. 2019): learned positions, LayerNorm, fused query-key-value, tanh GELU, tied head.
#include "model/families/families.h"
#include "model/families/settings.h"

namespace emend {

namespace {

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  SizeNames names = gpt2_size_names();
  names.tied_by_default = true;
  ModelConfig c = read_sizes(v, file, "gpt2", names, NormKind::kLayerNorm);
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = true;
  c.block.activation = read_activation(v, "activation_function", "gelu_new");
  if (!v.boolean({"scale_attn_weights", ""}, true)) c.block.attention_scale = 1;
  c.block.scale_by_layer = v.boolean({"scale_attn_by_inverse_layer_idx", ""}, false);
  return c;
}

std::vector<TensorName> names() {
  const std::string block = "transformer.h.{l}.";
  return joined(
      {tensor(Role::kTokenEmbedding, "transformer.wte"), tensor(Role::kPositionEmbedding, "transformer.wpe"),
       tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "ln_1"),
       tensors(Role::kQkv, Role::kQkvBias, block + "attn.c_attn", StoredForm::kConv1d),
       tensors(Role::kAttentionOut, Role::kAttentionOutBias, block + "attn.c_proj", StoredForm::kConv1d),
       tensors(Role::kMlpNorm, Role::kMlpNormBias, block + "ln_2"),
       tensors(Role::kMlpUp, Role::kMlpUpBias, block + "mlp.c_fc", StoredForm::kConv1d),
       tensors(Role::kMlpDown, Role::kMlpDownBias, block + "mlp.c_proj", StoredForm::kConv1d),
       tensors(Role::kFinalNorm, Role::kFinalNormBias, "transformer.ln_f"), tensor(Role::kHead, "lm_head")});
}

}  // namespace

Family gpt2_family() {
  return {.name = "gpt2",
          .model_types = {"gpt2"},
          .gguf_architecture = "gpt2",
          .prefix = "transformer.",
          .tensors = names(),
          .ignored = {".attn.bias", ".attn.masked_bias"},
          .read_config = read_config};
}

}  // namespace emend
