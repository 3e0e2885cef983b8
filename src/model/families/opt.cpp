// OPT (Zhang et al. 2022): GPT-2 with ReLU and a table of positions whose first two rows nobody uses.
#include "model/families/families.h"
#include "model/families/settings.h"

namespace emend {

namespace {

constexpr double kNormEps = 1e-5;  // no setting

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  require_supported(v.boolean({"do_layer_norm_before", ""}, true), v,
                    "do_layer_norm_before false (OPT-350M: norms of whole sums)");
  require_supported(!v.boolean({"_remove_final_layer_norm", ""}, false), v, "_remove_final_layer_norm");
  require_supported(v.boolean({"layer_norm_elementwise_affine", ""}, true), v,
                    "layer_norm_elementwise_affine false");
  SizeNames names;
  names.d_ff = "ffn_dim";
  names.kv_heads = names.head_dim = names.norm_eps = "";
  names.default_norm_eps = kNormEps;
  names.tied_by_default = true;
  ModelConfig c = read_sizes(v, file, "opt", names, NormKind::kLayerNorm);
  require_supported(v.integer({"word_embed_proj_dim", ""}, c.d_model) == c.d_model, v,
                    "an embedding of another width than the hidden size");
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = v.boolean({"enable_bias", ""}, true);
  c.block.activation = read_activation(v, "activation_function", "relu");
  c.position_offset = 2;
  return c;
}

std::vector<TensorName> names() {
  const std::string block = "model.decoder.layers.{l}.", attention = block + "self_attn.";
  return without_gguf(
      joined({tensor(Role::kTokenEmbedding, "model.decoder.embed_tokens"),
              tensor(Role::kPositionEmbedding, "model.decoder.embed_positions"),
              tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "self_attn_layer_norm"),
              tensors(Role::kQuery, Role::kQueryBias, attention + "q_proj"),
              tensors(Role::kKey, Role::kKeyBias, attention + "k_proj"),
              tensors(Role::kValue, Role::kValueBias, attention + "v_proj"),
              tensors(Role::kAttentionOut, Role::kAttentionOutBias, attention + "out_proj"),
              tensors(Role::kMlpNorm, Role::kMlpNormBias, block + "final_layer_norm"),
              tensors(Role::kMlpUp, Role::kMlpUpBias, block + "fc1"),
              tensors(Role::kMlpDown, Role::kMlpDownBias, block + "fc2"),
              tensors(Role::kFinalNorm, Role::kFinalNormBias, "model.decoder.final_layer_norm"),
              tensor(Role::kHead, "lm_head")}));
}

}  // namespace

Family opt_family() {
  return {.name = "opt",
          .model_types = {"opt"},
          .gguf_architecture = "",
          .prefix = "model.decoder.",
          .tensors = names(),
          .ignored = {},
          .read_config = read_config};
}

}  // namespace emend
