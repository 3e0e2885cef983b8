// StableLM 2 and 3B (2023): Llama with LayerNorm, rotary positions on a part of each head and, in some, both
// halves of a block side by side behind one norm, or norms of queries and keys with factors for each head.
#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  const bool norms_heads =
      v.is_gguf() ? file.find("blk.0.attn_q_norm.weight") != nullptr : v.boolean({"qk_layernorm", ""}, false);
  SizeNames names;
  names.head_dim = "";
  names.norm_eps = "layer_norm_eps";
  names.default_norm_eps = 1e-5;
  ModelConfig c = read_sizes(v, file, "stablelm", names, NormKind::kLayerNorm);
  c.block.activation = read_activation(v, "hidden_act", "silu");
  c.block.gated_mlp = true;
  if (!v.is_gguf()) c.block.qkv_bias = v.boolean({"use_qkv_bias", ""}, false);
  c.block.attention_out_bias = c.block.mlp_bias = false;
  c.block.parallel = v.is_gguf() ? file.find("blk.0.ffn_norm.weight") == nullptr
                                 : v.boolean({"use_parallel_residual", ""}, false);
  c.block.mlp_norm = !c.block.parallel;
  if (norms_heads) c.block.qk_norm = QkNorm::kEachHead;
  RopeDefaults rope;
  rope.partial = 0.25;
  rope.takes_partial = true;
  use_rotary(v, file, c, rope);
  return c;
}

std::vector<TensorName> names() {
  std::vector<TensorName> llama = llama_tensors();
  std::erase_if(llama, [](const TensorName& name) { return name.role == Role::kFinalNorm; });
  const std::string block = "model.layers.{l}.";
  return joined({llama, tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "input_layernorm"),
                 tensor(Role::kQueryNorm, block + "self_attn.q_layernorm.norms.{h}"),
                 tensor(Role::kKeyNorm, block + "self_attn.k_layernorm.norms.{h}"),
                 tensors(Role::kMlpNorm, Role::kMlpNormBias, block + "post_attention_layernorm"),
                 tensors(Role::kFinalNorm, Role::kFinalNormBias, "model.norm")});
}

}  // namespace

Family stablelm_family() {
  return {.name = "stablelm",
          .model_types = {"stablelm"},
          .gguf_architecture = "stablelm",
          .prefix = "model.",
          .tensors = names(),
          .ignored = {".rotary_emb.inv_freq"},
          .read_config = read_config};
}

}  // namespace emend
