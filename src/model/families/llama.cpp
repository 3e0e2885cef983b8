// Llama (Touvron et al. 2023), Llama 3 and SmolLM2: rotary positions, RMSNorm, grouped queries, SwiGLU. And
// the families that differ from it in a few choices.
#include <algorithm>

#include "emend/error.h"
#include "model/families/families.h"
#include "model/families/rope_settings.h"
#include "model/families/settings.h"

namespace emend {

namespace {

// In what a family differs from Llama. GGUF files of the architecture llama and its nearest kin have rows of
// queries and keys reordered, so that the pairs that turn lie side by side; scores are the same either way.
struct LlamaLike {
  std::string family;
  RotaryPairs gguf_pairs = RotaryPairs::kHalfSplit;
  double rope_base = 10000;
  SizeNames names = {};
};

ModelConfig read_llama_like(const ConfigValues& v, const TensorFile& file, const LlamaLike& like) {
  ModelConfig c = read_sizes(v, file, like.family, like.names);
  c.block.activation = read_activation(v, "hidden_act", "silu");
  c.block.gated_mlp = true;
  RopeDefaults rope;
  rope.base = like.rope_base;
  rope.gguf_pairs = like.gguf_pairs;
  use_rotary(v, file, c, rope);
  return c;
}

ModelConfig read_llama(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c = read_llama_like(v, file, {"llama", RotaryPairs::kInterleaved});
  c.block.window = v.integer({"", "attention.sliding_window"}, 0);
  return c;
}

ModelConfig read_mistral(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c = read_llama_like(v, file, {"mistral", RotaryPairs::kInterleaved});
  constexpr std::int64_t kUsualWindow = 4096;  // what a config without sliding_window means; null is none
  c.block.window = v.integer({"sliding_window", ""}, v.is_null("sliding_window") ? 0 : kUsualWindow);
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = false;
  return c;
}

// A window of some layers: Qwen has it from max_window_layers on, where it is switched on at all.
void use_qwen_window(const ConfigValues& v, ModelConfig& c) {
  if (v.is_gguf() || !v.boolean({"use_sliding_window", ""}, false)) return;
  const std::int64_t window = v.integer({"sliding_window", ""}, v.is_null("sliding_window") ? 0 : 4096);
  const std::int64_t first = v.integer({"max_window_layers", ""}, 28);
  const std::vector<bool> sliding = sliding_layers(v, c.layers, [&](int l) { return l >= first; });
  for_each_layer(
      c, [&](BlockSpec& spec, int l) { spec.window = sliding[static_cast<std::size_t>(l)] ? window : 0; });
}

ModelConfig read_qwen2(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c = read_llama_like(v, file, {"qwen2"});
  c.block.qkv_bias = true;
  c.block.attention_out_bias = c.block.mlp_bias = false;
  use_qwen_window(v, c);
  return c;
}

ModelConfig read_qwen3(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.default_head_dim = 128;
  ModelConfig c = read_llama_like(v, file, {"qwen3", RotaryPairs::kHalfSplit, 10000, names});
  c.block.mlp_bias = false;
  c.block.qk_norm = QkNorm::kPerHead;
  use_qwen_window(v, c);
  return c;
}

ModelConfig read_olmo2(const ConfigValues& v, const TensorFile& file) {
  require_supported(!v.has({"", "attention.sliding_window"}), v, "OLMo 3's sliding window");
  ModelConfig c = read_llama_like(v, file, {"olmo2"});
  c.block.mlp_bias = false;
  c.block.qk_norm = QkNorm::kFullWidth;
  c.block.attention_norm = c.block.mlp_norm = false;
  c.block.attention_post_norm = c.block.mlp_post_norm = true;
  return c;
}

// Every fourth layer turns nothing.
ModelConfig read_smollm3(const ConfigValues& v, const TensorFile& file) {
  SizeNames names;
  names.tied_by_default = true;
  ModelConfig c = read_llama_like(v, file, {"smollm3", RotaryPairs::kInterleaved, 2000000, names});
  const std::vector<double> turns = v.numbers({"no_rope_layers", ""});
  if (!turns.empty() && turns.size() != static_cast<std::size_t>(std::max(c.layers, 0)))
    throw Error(ErrorKind::kModel, v.where() + ": no_rope_layers must have one entry for each layer");
  const std::int64_t interval = v.integer({"no_rope_layer_interval", ""}, 4);
  if (interval <= 0) throw Error(ErrorKind::kModel, v.where() + ": no_rope_layer_interval must be positive");
  const auto is_turned = [&](int l) {
    return turns.empty() ? (l + 1) % interval != 0 : turns[static_cast<std::size_t>(l)] != 0;
  };
  const bool has_window = !v.is_gguf() && v.boolean({"use_sliding_window", ""}, false);
  const std::int64_t window = has_window ? v.integer({"sliding_window", ""}, 0) : 0;
  const std::vector<bool> sliding =
      sliding_layers(v, c.layers, [&](int l) { return window > 0 && !is_turned(l); });
  for_each_layer(c, [&](BlockSpec& spec, int l) {
    spec.rotary = is_turned(l) ? 0 : kNoRotary;
    spec.window = sliding[static_cast<std::size_t>(l)] ? window : 0;
  });
  return c;
}

// Llama with four multipliers.
ModelConfig read_granite(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c = read_llama_like(v, file, {"granite", RotaryPairs::kInterleaved});
  c.embedding_multiplier = v.number({"embedding_multiplier", "embedding_scale"}, 1.0);
  c.block.residual_multiplier = v.number({"residual_multiplier", "residual_scale"}, 1.0);
  // A GGUF without the scale has the usual one; transformers' default is 1.
  c.block.attention_scale = v.number({"attention_multiplier", "attention.scale"}, v.is_gguf() ? 0.0 : 1.0);
  const double divisor = v.number({"logits_scaling", "logit_scale"}, 1.0);
  if (!(divisor > 0)) throw Error(ErrorKind::kModel, v.where() + ": logits_scaling must be positive");
  c.logit_multiplier = 1 / divisor;
  return c;
}

// The tensors of a block with norms in front of its halves, and more.
std::vector<TensorName> usual_tensors(const std::vector<TensorName>& more = {}) {
  return joined({llama_tensors(), llama_norms(), more});
}

Family llama_like(const std::string& name, const std::string& gguf,
                  ModelConfig (*read)(const ConfigValues&, const TensorFile&),
                  const std::vector<TensorName>& tensors = usual_tensors()) {
  return {.name = name,
          .model_types = {name},
          .gguf_architecture = gguf,
          .prefix = "model.",
          .tensors = tensors,
          .ignored = {".rotary_emb.inv_freq", "rope_freqs.weight", "rope_factors_long.weight",
                      "rope_factors_short.weight"},
          .read_config = read};
}

}  // namespace

Family llama_family() {
  return llama_like("llama", "llama", read_llama);
}

Family mistral_family() {
  return llama_like("mistral", "llama", read_mistral);  // GGUF files of it are read as llama
}

Family qwen2_family() {
  return llama_like("qwen2", "qwen2", read_qwen2);
}

Family qwen3_family() {
  return llama_like("qwen3", "qwen3", read_qwen3, usual_tensors(qk_norms()));
}

// Norms behind the halves of a block only, and norms of all queries and of all keys.
Family olmo2_family() {
  const std::vector<TensorName> norms =
      joined({tensor(Role::kAttentionPostNorm, "model.layers.{l}.post_attention_layernorm"),
              tensor(Role::kMlpPostNorm, "model.layers.{l}.post_feedforward_layernorm"), qk_norms()});
  return llama_like("olmo2", "olmo2", read_olmo2, joined({llama_tensors(), norms}));
}

Family smollm3_family() {
  return llama_like("smollm3", "smollm3", read_smollm3);
}

Family granite_family() {
  return llama_like("granite", "granite", read_granite);
}

}  // namespace emend
