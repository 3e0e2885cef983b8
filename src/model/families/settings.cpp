#include "model/families/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "emend/error.h"
#include "model/role_table.h"

namespace emend {

namespace {

constexpr int kMostLayers = 10000;  // check_config refuses more; no config makes us reserve room for them

const std::map<std::string, ActivationKind>& activations() {
  static const std::map<std::string, ActivationKind> known = {
      {"gelu", ActivationKind::kGelu},
      {"gelu_accurate", ActivationKind::kGeluTanh},
      {"gelu_fast", ActivationKind::kGeluTanh},
      {"gelu_new", ActivationKind::kGeluTanh},
      {"gelu_python", ActivationKind::kGelu},
      {"gelu_python_tanh", ActivationKind::kGeluTanh},
      {"gelu_pytorch_tanh", ActivationKind::kGeluTanh},
      {"quick_gelu", ActivationKind::kQuickGelu},
      {"relu", ActivationKind::kRelu},
      {"silu", ActivationKind::kSilu},
      {"swish", ActivationKind::kSilu},
      {"tanh", ActivationKind::kTanh},
  };
  return known;
}

std::vector<std::string> activation_names() {
  std::vector<std::string> names;
  for (const auto& [name, kind] : activations()) names.push_back(name);
  return names;
}

void read_biases(const ConfigValues& v, const TensorFile& file, ModelConfig& c) {
  if (!v.is_gguf()) {
    c.block.qkv_bias = c.block.attention_out_bias = v.boolean({"attention_bias", ""}, false);
    c.block.mlp_bias = v.boolean({"mlp_bias", ""}, false);
    return;
  }
  const auto has = [&](const char* name) { return file.find(name) != nullptr; };
  c.block.qkv_bias = has("blk.0.attn_q.bias") || has("blk.0.attn_qkv.bias");
  c.block.attention_out_bias = has("blk.0.attn_output.bias");
  c.block.mlp_bias = has("blk.0.ffn_down.bias");
  c.head_bias = has("output.bias");
}

}  // namespace

ActivationKind activation_named(const std::string& name, const ConfigValues& v, const std::string& setting) {
  const auto known = activations().find(name);
  if (known != activations().end()) return known->second;
  throw Error(ErrorKind::kModel, fmt::format("{}: {} {} is not supported; known: {}", v.where(), setting,
                                             quote(name), join(activation_names())));
}

ActivationKind read_activation(const ConfigValues& v, const std::string& json, const std::string& fallback) {
  const std::string name = v.text({json, ""}, fallback);
  return activation_named(name, v, json.substr(0, json.find('|')));
}

void require_supported(bool ok, const ConfigValues& v, const std::string& why) {
  if (!ok) throw Error(ErrorKind::kModel, fmt::format("{}: {} is not supported", v.where(), why));
}

SizeNames gpt2_size_names() {
  SizeNames names;
  names.layers = "n_layer|num_hidden_layers";
  names.d_model = "n_embd|hidden_size";
  names.d_ff = "n_inner";
  names.heads = "n_head|num_attention_heads";
  names.kv_heads = names.head_dim = "";
  names.positions = "n_positions|max_position_embeddings";
  names.norm_eps = "layer_norm_epsilon";
  names.d_ff_per_d_model = 4;
  names.default_norm_eps = 1e-5;
  return names;
}

ModelConfig read_sizes(const ConfigValues& v, const TensorFile& file, const std::string& family,
                       const SizeNames& names, NormKind norm) {
  require_supported(v.integer({"", "expert_count"}, 0) == 0, v, "a mixture of experts");
  require_supported(v.boolean({"", "attention.causal"}, true), v,
                    "attention.causal false (tokens that see later ones)");
  ModelConfig c;
  c.family = family;
  c.layers = static_cast<int>(v.integer({names.layers, "block_count"}));
  c.d_model = v.integer({names.d_model, "embedding_length"});
  std::optional<std::int64_t> d_ff;
  if (names.d_ff_per_d_model) d_ff = *names.d_ff_per_d_model * c.d_model;
  c.d_ff = v.integer({names.d_ff, "feed_forward_length"}, d_ff);
  c.heads = v.integer({names.heads, "attention.head_count"}, names.default_heads);
  c.kv_heads =
      v.integer({names.kv_heads, "attention.head_count_kv"}, names.default_kv_heads.value_or(c.heads));
  const std::int64_t even_share = c.heads > 0 ? c.d_model / c.heads : 0;
  c.head_dim =
      v.integer({names.head_dim, "attention.key_length"}, names.default_head_dim.value_or(even_share));
  c.vocab = v.integer({"vocab_size", "vocab_size"},
                      v.is_gguf() ? std::optional<std::int64_t>(0) : names.default_vocab);
  c.max_positions = v.integer({names.positions, "context_length"}, names.default_positions);
  c.block.norm = norm;
  const bool rms = norm == NormKind::kRmsNorm;
  c.block.norm_eps =
      v.number({names.norm_eps, rms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"},
               names.default_norm_eps);
  read_biases(v, file, c);
  c.tied_head = v.is_gguf() ? file.find("output.weight") == nullptr
                            : v.boolean({"tie_word_embeddings", ""}, names.tied_by_default);
  return c;
}

std::vector<bool> sliding_layers(const ConfigValues& v, int layers, const std::function<bool(int)>& usual) {
  const std::vector<std::string> types = v.texts({"layer_types", ""});
  std::vector<bool> sliding;
  if (layers > kMostLayers) return sliding;
  for (int l = 0; l < layers && types.empty(); ++l) sliding.push_back(usual(l));
  if (!types.empty() && types.size() != static_cast<std::size_t>(std::max(layers, 0)))
    throw Error(ErrorKind::kModel, fmt::format("{}: layer_types has {} entries, but there are {} layers",
                                               v.where(), types.size(), layers));
  for (const std::string& type : types) {
    require_supported(type == "full_attention" || type == "sliding_attention", v,
                      fmt::format("a layer of type {}", quote(type)));
    sliding.push_back(type == "sliding_attention");
  }
  return sliding;
}

void for_each_layer(ModelConfig& c, const std::function<void(BlockSpec&, int)>& change) {
  if (c.layers <= 0 || c.layers > kMostLayers) return;
  c.blocks.assign(static_cast<std::size_t>(c.layers), c.block);
  for (int l = 0; l < c.layers; ++l) change(c.blocks[static_cast<std::size_t>(l)], l);
  const bool alike = std::all_of(c.blocks.begin(), c.blocks.end(),
                                 [&](const BlockSpec& spec) { return spec == c.blocks.front(); });
  if (!alike) return;
  c.block = c.blocks.front();
  c.blocks.clear();
}

std::vector<TensorName> tensor(Role role, const std::string& name) {
  return {{role, name + ".weight", role_info(role).gguf}};
}

std::vector<TensorName> tensors(Role weight, Role bias, const std::string& name, StoredForm form) {
  // A bias of Conv1D is stored as any other.
  const StoredForm bias_form = form == StoredForm::kConv1d ? StoredForm::kPlain : form;
  return {{weight, name + ".weight", role_info(weight).gguf, form},
          {bias, name + ".bias", role_info(bias).gguf, bias_form}};
}

std::vector<TensorName> joined(const std::vector<std::vector<TensorName>>& parts) {
  std::vector<TensorName> all;
  for (const std::vector<TensorName>& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

std::vector<TensorName> without_gguf(std::vector<TensorName> tensors) {
  for (TensorName& tensor : tensors) tensor.gguf.clear();
  return tensors;
}

std::vector<TensorName> llama_tensors() {
  const std::string block = "model.layers.{l}.", attention = block + "self_attn.", mlp = block + "mlp.";
  return joined({tensor(Role::kTokenEmbedding, "model.embed_tokens"),
                 tensors(Role::kQuery, Role::kQueryBias, attention + "q_proj"),
                 tensors(Role::kKey, Role::kKeyBias, attention + "k_proj"),
                 tensors(Role::kValue, Role::kValueBias, attention + "v_proj"),
                 tensors(Role::kAttentionOut, Role::kAttentionOutBias, attention + "o_proj"),
                 tensors(Role::kMlpGate, Role::kMlpGateBias, mlp + "gate_proj"),
                 tensors(Role::kMlpUp, Role::kMlpUpBias, mlp + "up_proj"),
                 tensors(Role::kMlpDown, Role::kMlpDownBias, mlp + "down_proj"),
                 tensor(Role::kFinalNorm, "model.norm"), tensor(Role::kHead, "lm_head")});
}

std::vector<TensorName> llama_norms() {
  return joined({tensor(Role::kAttentionNorm, "model.layers.{l}.input_layernorm"),
                 tensor(Role::kMlpNorm, "model.layers.{l}.post_attention_layernorm")});
}

std::vector<TensorName> qk_norms() {
  return joined({tensor(Role::kQueryNorm, "model.layers.{l}.self_attn.q_norm"),
                 tensor(Role::kKeyNorm, "model.layers.{l}.self_attn.k_norm")});
}

}  // namespace emend
