// Llama (Touvron et al. 2023), Llama 3 and SmolLM2: rotary positions, RMSNorm, grouped queries, SwiGLU.
#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "model/families/family.h"
#include "model/rotary.h"

namespace emend {

namespace {

// A rope setting of config.json: inside rope_parameters (new), rope_scaling (older), or at the top.
SettingName rope_setting(const ConfigValues& v, const std::string& key, const std::string& gguf) {
  for (const char* object : {"rope_parameters.", "rope_scaling."})
    if (v.has({object + key, ""})) return {object + key, gguf};
  return {key, gguf};
}

void read_rope(const ConfigValues& v, const TensorFile& file, ModelConfig& c) {
  if (c.head_dim <= 0 || c.head_dim % 2 != 0 || c.head_dim > (1 << 16))
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the head size is {}; it must be even and positive", v.where(), c.head_dim));
  const double base = v.number(rope_setting(v, "rope_theta", "llama.rope.freq_base"), 10000.0);
  c.learned_positions = false;
  c.rotary = {{RotaryPairs::kHalfSplit, rotary_frequencies(c.head_dim, base)}};
  std::vector<double>& frequencies = c.rotary.front().frequencies;
  if (v.is_gguf()) {
    // The converter reorders query and key rows so that the pairs lie side
    // by side; scores are the same either way.
    c.rotary.front().pairs = RotaryPairs::kInterleaved;
    const std::int64_t rotated = v.integer({"", "llama.rope.dimension_count"}, c.head_dim);
    if (rotated != c.head_dim)
      throw Error(ErrorKind::kModel,
                  fmt::format("{}: llama.rope.dimension_count is {}, the head size {}; they must be equal",
                              v.where(), rotated, c.head_dim));
    const std::string scaling = v.text({"", "llama.rope.scaling.type"}, "none");
    if (scaling == "linear") {
      for (double& f : frequencies) f /= v.number({"", "llama.rope.scaling.factor"});
    } else if (scaling != "none") {
      throw Error(ErrorKind::kModel,
                  fmt::format("{}: rope scaling {} is not supported", v.where(), quote(scaling)));
    }
    if (const TensorInfo* factors =
            file.find("rope_freqs.weight")) {  // Llama 3's scaling, worked out by the converter
      std::vector<float> divisors(static_cast<std::size_t>(factors->elements()));
      if (divisors.size() != frequencies.size())
        throw Error(ErrorKind::kModel, fmt::format("{}: rope_freqs.weight has {} values, expected {}",
                                                   v.where(), divisors.size(), frequencies.size()));
      read_as_float32(file, *factors, divisors);
      for (std::size_t i = 0; i < divisors.size(); ++i) frequencies[i] /= divisors[i];
    }
    return;
  }
  const SettingName newer = rope_setting(v, "rope_type", ""), older = rope_setting(v, "type", "");
  const std::string type = v.text(newer, v.text(older, "default"));
  const SettingName factor = rope_setting(v, "factor", "");
  if (type == "linear") {
    for (double& f : frequencies) f /= v.number(factor);
  } else if (type == "llama3") {
    Llama3Scaling scaling;
    scaling.factor = v.number(factor);
    scaling.low_freq_factor = v.number(rope_setting(v, "low_freq_factor", ""));
    scaling.high_freq_factor = v.number(rope_setting(v, "high_freq_factor", ""));
    scaling.original_max_positions = static_cast<double>(
        v.integer(rope_setting(v, "original_max_position_embeddings", ""), c.max_positions));
    scale_llama3(frequencies, scaling);
  } else if (type != "default") {
    throw Error(ErrorKind::kModel,
                fmt::format("{}: rope_type {} is not supported; known: default, linear, llama3", v.where(),
                            quote(type)));
  }
}

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c;
  c.family = "llama";
  c.layers = static_cast<int>(v.integer({"num_hidden_layers", "llama.block_count"}));
  c.d_model = v.integer({"hidden_size", "llama.embedding_length"});
  c.d_ff = v.integer({"intermediate_size", "llama.feed_forward_length"});
  c.heads = v.integer({"num_attention_heads", "llama.attention.head_count"});
  c.kv_heads = v.integer({"num_key_value_heads", "llama.attention.head_count_kv"}, c.heads);
  c.head_dim = v.integer({"head_dim", "llama.attention.key_length"}, c.heads > 0 ? c.d_model / c.heads : 0);
  c.vocab = v.integer({"vocab_size", "llama.vocab_size"},
                      v.is_gguf() ? std::optional<std::int64_t>(0) : std::nullopt);
  c.max_positions = v.integer({"max_position_embeddings", "llama.context_length"});
  c.block.norm = NormKind::kRmsNorm;
  c.block.norm_eps = v.number({"rms_norm_eps", "llama.attention.layer_norm_rms_epsilon"});
  const std::string activation = v.text({"hidden_act", ""}, "silu");
  if (activation != "silu" && activation != "swish")
    throw Error(ErrorKind::kModel, fmt::format("{}: hidden_act {} is not supported for llama; known: silu",
                                               v.where(), quote(activation)));
  c.block.activation = ActivationKind::kSilu;
  c.block.gated_mlp = true;
  if (v.is_gguf()) {
    c.block.qkv_bias = file.find("blk.0.attn_q.bias") != nullptr;
    c.block.attention_out_bias = file.find("blk.0.attn_output.bias") != nullptr;
    c.block.mlp_bias = file.find("blk.0.ffn_down.bias") != nullptr;
    c.tied_head = file.find("output.weight") == nullptr;
  } else {
    c.block.qkv_bias = c.block.attention_out_bias = v.boolean({"attention_bias", ""}, false);
    c.block.mlp_bias = v.boolean({"mlp_bias", ""}, false);
    c.tied_head = v.boolean({"tie_word_embeddings", ""}, false);
  }
  read_rope(v, file, c);
  return c;
}

}  // namespace

const Family& llama_family() {
  static const Family family = {
      .name = "llama",
      .architecture = "LlamaForCausalLM",
      .gguf_architecture = "llama",
      .optional_prefix = "",
      .tensors =
          {
              {Role::kTokenEmbedding, "model.embed_tokens.weight", "token_embd.weight"},
              {Role::kAttentionNorm, "model.layers.{l}.input_layernorm.weight", "blk.{l}.attn_norm.weight"},
              {Role::kQuery, "model.layers.{l}.self_attn.q_proj.weight", "blk.{l}.attn_q.weight"},
              {Role::kQueryBias, "model.layers.{l}.self_attn.q_proj.bias", "blk.{l}.attn_q.bias"},
              {Role::kKey, "model.layers.{l}.self_attn.k_proj.weight", "blk.{l}.attn_k.weight"},
              {Role::kKeyBias, "model.layers.{l}.self_attn.k_proj.bias", "blk.{l}.attn_k.bias"},
              {Role::kValue, "model.layers.{l}.self_attn.v_proj.weight", "blk.{l}.attn_v.weight"},
              {Role::kValueBias, "model.layers.{l}.self_attn.v_proj.bias", "blk.{l}.attn_v.bias"},
              {Role::kAttentionOut, "model.layers.{l}.self_attn.o_proj.weight", "blk.{l}.attn_output.weight"},
              {Role::kAttentionOutBias, "model.layers.{l}.self_attn.o_proj.bias", "blk.{l}.attn_output.bias"},
              {Role::kMlpNorm, "model.layers.{l}.post_attention_layernorm.weight", "blk.{l}.ffn_norm.weight"},
              {Role::kMlpGate, "model.layers.{l}.mlp.gate_proj.weight", "blk.{l}.ffn_gate.weight"},
              {Role::kMlpGateBias, "model.layers.{l}.mlp.gate_proj.bias", "blk.{l}.ffn_gate.bias"},
              {Role::kMlpUp, "model.layers.{l}.mlp.up_proj.weight", "blk.{l}.ffn_up.weight"},
              {Role::kMlpUpBias, "model.layers.{l}.mlp.up_proj.bias", "blk.{l}.ffn_up.bias"},
              {Role::kMlpDown, "model.layers.{l}.mlp.down_proj.weight", "blk.{l}.ffn_down.weight"},
              {Role::kMlpDownBias, "model.layers.{l}.mlp.down_proj.bias", "blk.{l}.ffn_down.bias"},
              {Role::kFinalNorm, "model.norm.weight", "output_norm.weight"},
              {Role::kHead, "lm_head.weight", "output.weight"},
          },
      .ignored = {".rotary_emb.inv_freq", "rope_freqs.weight"},
      .read_config = read_config,
  };
  return family;
}

}  // namespace emend
