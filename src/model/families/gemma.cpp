// Gemma (2024), Gemma 2 and the text half of Gemma 3 (2025): RMSNorm that multiplies by 1 + w, embeddings
// times sqrt(D), a tanh GELU gate; from Gemma 2 on norms behind the halves of a block as well and layers that
// see a window only; soft caps in Gemma 2; norms of queries and keys and two rotary bases in Gemma 3.
#include <algorithm>
#include <cmath>

#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

ModelConfig read_gemma_like(const ConfigValues& v, const TensorFile& file, const std::string& family,
                            const SizeNames& names) {
  require_supported(!v.boolean({"use_bidirectional_attention", ""}, false), v, "use_bidirectional_attention");
  ModelConfig c = read_sizes(v, file, family, names);
  c.block.gated_mlp = true;
  c.block.mlp_bias = false;
  c.embedding_multiplier = std::sqrt(static_cast<double>(c.d_model));
  return c;
}

SizeNames gemma_names() {
  SizeNames names;
  names.tied_by_default = true;
  names.default_norm_eps = 1e-6;
  names.default_head_dim = 256;
  return names;
}

ModelConfig read_gemma(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c = read_gemma_like(v, file, "gemma", gemma_names());
  // Configs of the first release say gelu and mean its tanh form.
  const std::string name = v.text({"hidden_activation", ""}, v.text({"hidden_act", ""}, "gelu_pytorch_tanh"));
  c.block.activation = name == "gelu" ? ActivationKind::kGeluTanh : activation_named(name, v, "hidden_act");
  use_rotary(v, file, c);
  return c;
}

// Norms on both sides of each half, windows of all layers for which `sliding` says so, and the attention
// scale, which the largest models have from their hidden size.
void add_gemma2_block(const ConfigValues& v, ModelConfig& c, int layers_of_largest) {
  c.block.activation = read_activation(v, "hidden_activation", "gelu_pytorch_tanh");
  c.block.attention_post_norm = c.block.mlp_post_norm = true;
  const std::int64_t heads = std::max<std::int64_t>(c.heads, 1);
  const double usual = static_cast<double>(!v.is_gguf()                    ? 256
                                           : c.layers == layers_of_largest ? c.d_model / heads
                                                                           : c.head_dim);
  const double scalar = v.number({"query_pre_attn_scalar", ""}, usual);
  require_supported(scalar > 0 || !v.has({"query_pre_attn_scalar", ""}), v,
                    "query_pre_attn_scalar that is not positive");
  c.block.attention_scale = scalar > 0 ? 1 / std::sqrt(scalar) : 0;
  c.block.attention_soft_cap = v.number({"attn_logit_softcapping", "attn_logit_softcapping"}, 0.0);
  c.logit_soft_cap = v.number({"final_logit_softcapping", "final_logit_softcapping"}, 0.0);
}

// Class defaults of Gemma 2's caps, where config.json does not say.
void add_usual_caps(const ConfigValues& v, ModelConfig& c) {
  if (!v.has({"attn_logit_softcapping", "attn_logit_softcapping"}) && !v.is_null("attn_logit_softcapping"))
    c.block.attention_soft_cap = 50;
  if (!v.has({"final_logit_softcapping", "final_logit_softcapping"}) && !v.is_null("final_logit_softcapping"))
    c.logit_soft_cap = 30;
}

ModelConfig read_gemma2(const ConfigValues& v, const TensorFile& file) {
  constexpr int kLayersOf27B = 46;
  ModelConfig c = read_gemma_like(v, file, "gemma2", gemma_names());
  add_gemma2_block(v, c, kLayersOf27B);
  add_usual_caps(v, c);
  use_rotary(v, file, c);
  const std::int64_t window =
      v.integer({"sliding_window", "attention.sliding_window"}, v.is_null("sliding_window") ? 0 : 4096);
  const std::vector<bool> sliding = sliding_layers(v, c.layers, [](int l) { return l % 2 == 0; });
  for_each_layer(
      c, [&](BlockSpec& spec, int l) { spec.window = sliding[static_cast<std::size_t>(l)] ? window : 0; });
  return c;
}

SizeNames gemma3_names() {
  SizeNames names = gemma_names();
  names.default_heads = 8;
  names.default_kv_heads = 4;
  names.default_vocab = 262208;
  names.default_positions = 131072;
  return names;
}

ModelConfig read_gemma3(const ConfigValues& v, const TensorFile& file) {
  constexpr int kLayersOf27B = 62;
  // llama.cpp lets all layers of such a file see everything and turn alike.
  require_supported(!v.is_gguf() || v.has({"", "attention.sliding_window"}), v,
                    "gemma3 without attention.sliding_window");
  ModelConfig c = read_gemma_like(v, file, "gemma3", gemma3_names());
  add_gemma2_block(v, c, kLayersOf27B);
  c.block.attention_soft_cap = 0;  // configs may say one; neither transformers nor llama.cpp applies it
  c.block.qk_norm = QkNorm::kPerHead;
  RopeDefaults full;
  full.base = 1e6;
  full.layer_type = "full_attention";
  RopeDefaults local;
  local.base_name = "rope_local_base_freq";
  local.layer_type = "sliding_attention";
  c.learned_positions = false;
  c.rotary = {read_rotary(v, file, c, full), read_rotary(v, file, c, local)};
  const std::int64_t window =
      v.integer({"sliding_window", "attention.sliding_window"}, v.is_null("sliding_window") ? 0 : 4096);
  const std::int64_t period = std::max<std::int64_t>(
      v.integer({"sliding_window_pattern|_sliding_window_pattern", "attention.sliding_window_pattern"}, 6),
      1);
  const std::vector<bool> sliding = sliding_layers(v, c.layers, [&](int l) { return (l + 1) % period != 0; });
  for_each_layer(c, [&](BlockSpec& spec, int l) {
    const bool is_local = sliding[static_cast<std::size_t>(l)];
    spec.window = is_local ? window : 0;
    spec.rotary = is_local ? 1 : 0;
  });
  return c;
}

Family gemma_like(const std::string& name, const std::vector<std::string>& model_types,
                  ModelConfig (*read)(const ConfigValues&, const TensorFile&),
                  const std::vector<TensorName>& tensors) {
  return {.name = name,
          .model_types = model_types,
          .gguf_architecture = name,
          .prefix = "model.",
          .tensors = tensors,
          .ignored = {".rotary_emb.inv_freq"},
          .norms_from_zero = true,
          .read_config = read};
}

std::vector<TensorName> sandwich_norms() {
  const std::string block = "model.layers.{l}.";
  return joined({tensor(Role::kAttentionNorm, block + "input_layernorm"),
                 tensor(Role::kAttentionPostNorm, block + "post_attention_layernorm"),
                 tensor(Role::kMlpNorm, block + "pre_feedforward_layernorm"),
                 tensor(Role::kMlpPostNorm, block + "post_feedforward_layernorm")});
}

}  // namespace

Family gemma_family() {
  return gemma_like("gemma", {"gemma"}, read_gemma, joined({llama_tensors(), llama_norms()}));
}

Family gemma2_family() {
  return gemma_like("gemma2", {"gemma2"}, read_gemma2, joined({llama_tensors(), sandwich_norms()}));
}

Family gemma3_family() {
  return gemma_like("gemma3", {"gemma3_text", "gemma3"}, read_gemma3,
                    joined({llama_tensors(), sandwich_norms(), qk_norms()}));
}

}  // namespace emend
