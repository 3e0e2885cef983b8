// Falcon (Almazrouei et al. 2023): 7B has attention and MLP side by side behind one LayerNorm and one
// key/value head; 40B and 180B groups of heads and a norm for each half; RW one half after the other, and
// ALiBi in the place of rotary positions.
#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

// The number of key/value heads, which a setting tells in the newer architecture only.
std::int64_t key_value_heads(const ConfigValues& v, const ModelConfig& c, bool grouped) {
  if (v.is_gguf()) return c.kv_heads;
  if (!grouped && v.boolean({"multi_query", ""}, true)) return 1;
  return v.integer({"num_kv_heads|n_head_kv", ""}, c.heads);
}

// How the halves of a block stand to each other and which norms they have.
void read_shape(const ConfigValues& v, const TensorFile& file, bool grouped, ModelConfig& c) {
  if (v.is_gguf()) {  // llama.cpp knows the forms with parallel halves
    c.block.parallel = true;
    c.block.mlp_norm = file.find("blk.0.attn_norm_2.weight") != nullptr;
    return;
  }
  c.block.parallel = v.boolean({"parallel_attn", ""}, true);
  require_supported(c.block.parallel || !grouped, v, "new_decoder_architecture without parallel_attn");
  const std::int64_t norms = v.integer({"num_ln_in_parallel_attn", ""}, grouped ? 2 : 1);
  require_supported(grouped || norms == 1, v, "num_ln_in_parallel_attn 2 without new_decoder_architecture");
  c.block.mlp_norm = !c.block.parallel || norms == 2;
  c.block.alibi = v.boolean({"alibi", ""}, false);
}

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.layers = "num_hidden_layers|n_layer";
  names.d_model = "hidden_size|n_embed";
  names.d_ff = "ffn_hidden_size";
  names.heads = "num_attention_heads|n_head";
  names.kv_heads = names.head_dim = "";
  names.norm_eps = "layer_norm_epsilon";
  names.d_ff_per_d_model = 4;
  names.default_norm_eps = 1e-5;
  names.default_positions = 2048;
  names.tied_by_default = true;
  ModelConfig c = read_sizes(v, file, "falcon", names, NormKind::kLayerNorm);
  const bool grouped = v.boolean({"new_decoder_architecture", ""}, false);
  c.kv_heads = key_value_heads(v, c, grouped);
  if (!v.is_gguf())
    c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = v.boolean({"bias", ""}, false);
  c.block.activation = read_activation(v, "activation", "gelu");
  read_shape(v, file, grouped, c);
  c.learned_positions = false;
  if (!c.block.alibi) use_rotary(v, file, c);
  return c;
}

std::vector<TensorName> names() {
  const std::string block = "transformer.h.{l}.", attention = block + "self_attention.";
  const auto norm = [&](Role role, const std::string& names, const std::string& gguf,
                        const std::string& ending) {
    const auto bar = names.find('|');
    return TensorName{
        role, block + names.substr(0, bar) + ending + "|" + block + names.substr(bar + 1) + ending, gguf};
  };
  const std::string first = "ln_attn|input_layernorm", second = "ln_mlp|post_attention_layernorm";
  // In GGUF attn_norm is the MLP's where there is an attn_norm_2.
  const std::vector<TensorName> norms = {
      norm(Role::kAttentionNorm, first, "blk.{l}.attn_norm_2.weight|blk.{l}.attn_norm.weight", ".weight"),
      norm(Role::kAttentionNormBias, first, "blk.{l}.attn_norm_2.bias|blk.{l}.attn_norm.bias", ".bias"),
      norm(Role::kMlpNorm, second, "blk.{l}.attn_norm.weight", ".weight"),
      norm(Role::kMlpNormBias, second, "blk.{l}.attn_norm.bias", ".bias")};
  return joined({tensor(Role::kTokenEmbedding, "transformer.word_embeddings"), norms,
                 tensors(Role::kQkv, Role::kQkvBias, attention + "query_key_value", StoredForm::kGroupedQkv),
                 tensors(Role::kAttentionOut, Role::kAttentionOutBias, attention + "dense"),
                 tensors(Role::kMlpUp, Role::kMlpUpBias, block + "mlp.dense_h_to_4h"),
                 tensors(Role::kMlpDown, Role::kMlpDownBias, block + "mlp.dense_4h_to_h"),
                 tensors(Role::kFinalNorm, Role::kFinalNormBias, "transformer.ln_f"),
                 tensor(Role::kHead, "lm_head")});
}

}  // namespace

Family falcon_family() {
  return {.name = "falcon",
          .model_types = {"falcon"},
          .gguf_architecture = "falcon",
          .prefix = "transformer.",
          .tensors = names(),
          .ignored = {".rotary_emb.inv_freq"},
          .read_config = read_config};
}

}  // namespace emend
