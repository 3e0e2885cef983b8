#include "model/families/write_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/strings.h"
#include "emend/error.h"
#include "model/families/write_rope.h"
#include "model/spec_text.h"

namespace emend {

namespace {

struct Source {
  const ModelConfig& c;
  const ConfigValues& v;
  const TensorFile& file;

  const BlockSpec& first() const { return c.spec(0); }
  RopeWords rope(std::size_t table = 0) const { return rope_words(c, v, file, table); }
};

std::string activation_name(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::kGeluTanh:
      return "gelu_pytorch_tanh";
    case ActivationKind::kGelu:
      return "gelu";
    case ActivationKind::kSilu:
      return "silu";
    case ActivationKind::kRelu:
      return "relu";
    case ActivationKind::kQuickGelu:
      return "quick_gelu";
    case ActivationKind::kTanh:
      return "tanh";
  }
  return "";
}

ResultJson named(const std::string& architecture, const std::string& model_type) {
  return {{"architectures", {architecture}}, {"model_type", model_type}};
}

// Sizes by the names that most families have.
void add_sizes(const Source& of, ResultJson& json) {
  const ModelConfig& c = of.c;
  json["vocab_size"] = c.vocab;
  json["hidden_size"] = c.d_model;
  json["intermediate_size"] = c.d_ff;
  json["num_hidden_layers"] = c.layers;
  json["num_attention_heads"] = c.heads;
  json["max_position_embeddings"] = c.max_positions;
  json["tie_word_embeddings"] = c.tied_head;
  json["hidden_act"] = activation_name(of.first().activation);
}

void add_rope(const RopeWords& rope, ResultJson& json) {
  json["rope_theta"] = rope.base;
  if (!rope.scaling.is_null()) json["rope_scaling"] = rope.scaling;
  if (rope.original_positions) json["original_max_position_embeddings"] = *rope.original_positions;
}

ResultJson layer_types(const ModelConfig& c) {
  ResultJson types = ResultJson::array();
  for (int l = 0; l < c.layers; ++l)
    types.push_back(c.spec(l).window > 0 ? "sliding_attention" : "full_attention");
  return types;
}

// The window of the layers that have one; null: none has.
ResultJson window_of(const ModelConfig& c) {
  for (int l = 0; l < c.layers; ++l)
    if (c.spec(l).window > 0) return c.spec(l).window;
  return nullptr;
}

// Llama and the families that differ from it in a few settings.
ResultJson llama_like(const Source& of, const std::string& architecture, const std::string& model_type) {
  ResultJson json = named(architecture, model_type);
  add_sizes(of, json);
  json["num_key_value_heads"] = of.c.kv_heads;
  json["head_dim"] = of.c.head_dim;
  json["rms_norm_eps"] = decimal(of.first().norm_eps);
  add_rope(of.rope(), json);
  return json;
}

ResultJson mistral(const Source& of) {
  ResultJson json = llama_like(of, "MistralForCausalLM", "mistral");
  json["sliding_window"] = window_of(of.c);
  return json;
}

ResultJson llama(const Source& of) {
  if (!window_of(of.c).is_null()) return mistral(of);
  ResultJson json = llama_like(of, "LlamaForCausalLM", "llama");
  json["attention_bias"] = of.first().qkv_bias;
  json["mlp_bias"] = of.first().mlp_bias;
  return json;
}

ResultJson qwen2(const Source& of) {
  ResultJson json = llama_like(of, "Qwen2ForCausalLM", "qwen2");
  json["use_sliding_window"] = false;
  return json;
}

ResultJson qwen3(const Source& of) {
  ResultJson json = llama_like(of, "Qwen3ForCausalLM", "qwen3");
  json["attention_bias"] = of.first().qkv_bias;
  json["use_sliding_window"] = false;
  return json;
}

ResultJson olmo2(const Source& of) {
  ResultJson json = llama_like(of, "Olmo2ForCausalLM", "olmo2");
  json["attention_bias"] = of.first().qkv_bias;
  return json;
}

ResultJson smollm3(const Source& of) {
  ResultJson json = llama_like(of, "SmolLM3ForCausalLM", "smollm3");
  ResultJson turns = ResultJson::array();
  for (int l = 0; l < of.c.layers; ++l) turns.push_back(of.c.spec(l).rotary == kNoRotary ? 0 : 1);
  json["no_rope_layers"] = turns;
  json["attention_bias"] = of.first().qkv_bias;
  json["mlp_bias"] = of.first().mlp_bias;
  json["use_sliding_window"] = false;
  return json;
}

double attention_scale(const Source& of) {
  const double scale = of.first().attention_scale;
  return scale > 0 ? scale : 1 / std::sqrt(static_cast<double>(of.c.head_dim));
}

ResultJson granite(const Source& of) {
  ResultJson json = llama_like(of, "GraniteForCausalLM", "granite");
  json["attention_bias"] = of.first().qkv_bias;
  json["mlp_bias"] = of.first().mlp_bias;
  json["embedding_multiplier"] = decimal(of.c.embedding_multiplier);
  json["residual_multiplier"] = decimal(of.first().residual_multiplier);
  json["attention_multiplier"] = decimal(attention_scale(of));
  json["logits_scaling"] = decimal(1 / of.c.logit_multiplier);
  return json;
}

ResultJson gemma_like(const Source& of, const std::string& architecture, const std::string& model_type) {
  ResultJson json = llama_like(of, architecture, model_type);
  json["hidden_activation"] = json["hidden_act"];
  json["attention_bias"] = of.first().qkv_bias;
  return json;
}

ResultJson gemma(const Source& of) {
  return gemma_like(of, "GemmaForCausalLM", "gemma");
}

// transformers wants an integer where the class says so, as files have it.
ResultJson whole_or_decimal(double number) {
  const double whole = std::round(number);
  if (std::abs(number - whole) <= 1e-5 * whole) return static_cast<std::int64_t>(whole);
  return decimal(number);
}

void add_gemma2_attention(const Source& of, ResultJson& json) {
  const double scale = attention_scale(of);
  json["query_pre_attn_scalar"] = whole_or_decimal(1 / (scale * scale));
  json["sliding_window"] = window_of(of.c);
  json["layer_types"] = layer_types(of.c);
}

ResultJson cap_or_null(double cap) {
  return cap > 0 ? ResultJson(decimal(cap)) : ResultJson(nullptr);
}

ResultJson gemma2(const Source& of) {
  ResultJson json = gemma_like(of, "Gemma2ForCausalLM", "gemma2");
  add_gemma2_attention(of, json);
  json["attn_logit_softcapping"] = cap_or_null(of.first().attention_soft_cap);
  json["final_logit_softcapping"] = cap_or_null(of.c.logit_soft_cap);
  return json;
}

ResultJson gemma3(const Source& of) {
  ResultJson json = gemma_like(of, "Gemma3ForCausalLM", "gemma3_text");
  add_gemma2_attention(of, json);
  json["final_logit_softcapping"] = cap_or_null(of.c.logit_soft_cap);
  json["rope_local_base_freq"] = of.rope(1).base;
  return json;
}

// Sizes of a family with LayerNorm and angles on a part of each head.
ResultJson layer_norm_like(const Source& of, const std::string& architecture, const std::string& model_type,
                           const std::string& eps) {
  ResultJson json = named(architecture, model_type);
  add_sizes(of, json);
  json[eps] = decimal(of.first().norm_eps);
  return json;
}

ResultJson phi(const Source& of) {
  ResultJson json = layer_norm_like(of, "PhiForCausalLM", "phi", "layer_norm_eps");
  json["num_key_value_heads"] = of.c.kv_heads;
  json["qk_layernorm"] = of.first().qk_norm == QkNorm::kPerHead;
  json["partial_rotary_factor"] = of.rope().partial;
  add_rope(of.rope(), json);
  return json;
}

ResultJson phi3(const Source& of) {
  ResultJson json = llama_like(of, "Phi3ForCausalLM", "phi3");
  json["sliding_window"] = window_of(of.c);
  json["partial_rotary_factor"] = of.rope().partial;
  if (!json.contains("original_max_position_embeddings"))
    json["original_max_position_embeddings"] = of.c.max_positions;
  return json;
}

ResultJson gpt_neox(const Source& of) {
  ResultJson json = layer_norm_like(of, "GPTNeoXForCausalLM", "gpt_neox", "layer_norm_eps");
  const RopeWords rope = of.rope();
  json["attention_bias"] = of.first().qkv_bias;
  json["use_parallel_residual"] = of.first().parallel;
  json["rotary_pct"] = rope.partial;
  json["rotary_emb_base"] = rope.base;
  add_rope(rope, json);
  return json;
}

ResultJson stablelm(const Source& of) {
  ResultJson json = layer_norm_like(of, "StableLmForCausalLM", "stablelm", "layer_norm_eps");
  json["num_key_value_heads"] = of.c.kv_heads;
  json["use_qkv_bias"] = of.first().qkv_bias;
  json["use_parallel_residual"] = of.first().parallel;
  json["qk_layernorm"] = of.first().qk_norm == QkNorm::kEachHead;
  json["partial_rotary_factor"] = of.rope().partial;
  add_rope(of.rope(), json);
  return json;
}

ResultJson starcoder2(const Source& of) {
  ResultJson json = layer_norm_like(of, "Starcoder2ForCausalLM", "starcoder2", "norm_epsilon");
  json["num_key_value_heads"] = of.c.kv_heads;
  json["use_bias"] = of.first().qkv_bias;
  json["sliding_window"] = window_of(of.c);
  add_rope(of.rope(), json);
  return json;
}

ResultJson falcon(const Source& of) {
  ResultJson json = layer_norm_like(of, "FalconForCausalLM", "falcon", "layer_norm_epsilon");
  const ModelConfig& c = of.c;
  const bool grouped =
      of.first().parallel && (of.first().mlp_norm || (c.kv_heads > 1 && c.kv_heads < c.heads));
  json["ffn_hidden_size"] = c.d_ff;
  json["activation"] = json["hidden_act"];
  json["new_decoder_architecture"] = grouped;
  json["multi_query"] = c.kv_heads == 1;
  json["num_kv_heads"] = c.kv_heads;
  json["parallel_attn"] = of.first().parallel;
  json["num_ln_in_parallel_attn"] = of.first().parallel && of.first().mlp_norm ? 2 : 1;
  json["bias"] = of.first().qkv_bias;
  json["alibi"] = of.first().alibi;
  if (!c.rotary.empty()) add_rope(of.rope(), json);
  return json;
}

ResultJson gpt2(const Source& of) {
  const ModelConfig& c = of.c;
  ResultJson json = named("GPT2LMHeadModel", "gpt2");
  json["vocab_size"] = c.vocab;
  json["n_embd"] = c.d_model;
  json["n_inner"] = c.d_ff;
  json["n_layer"] = c.layers;
  json["n_head"] = c.heads;
  json["n_positions"] = c.max_positions;
  json["tie_word_embeddings"] = c.tied_head;
  json["activation_function"] = activation_name(of.first().activation);
  json["layer_norm_epsilon"] = decimal(of.first().norm_eps);
  return json;
}

using Writer = ResultJson (*)(const Source&);

const std::map<std::string, Writer>& writers() {
  static const std::map<std::string, Writer> all = {
      {"gpt2", gpt2},    {"llama", llama},       {"mistral", mistral},   {"qwen2", qwen2},
      {"qwen3", qwen3},  {"olmo2", olmo2},       {"smollm3", smollm3},   {"granite", granite},
      {"gemma", gemma},  {"gemma2", gemma2},     {"gemma3", gemma3},     {"phi", phi},
      {"phi3", phi3},    {"gpt_neox", gpt_neox}, {"stablelm", stablelm}, {"starcoder2", starcoder2},
      {"falcon", falcon}};
  return all;
}

bool near(double a, double b, double tolerance = 1e-6) {
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

bool near(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return near(x, y, 1e-5); });
}

// What rows that the model allows do not reach is no difference.
std::int64_t reached(const RotaryTable& table, const ModelConfig& c) {
  return table.long_from >= c.max_positions ? 0 : table.long_from;
}

bool same_angles(const RotaryTable& a, const RotaryTable& b, const ModelConfig& c) {
  const std::int64_t from = reached(a, c);
  if (from != reached(b, c) || !near(a.frequencies, b.frequencies) || !near(a.amplitude, b.amplitude))
    return false;
  return from == 0 || (near(a.long_frequencies, b.long_frequencies) && near(a.base, b.base) &&
                       near(a.dynamic_factor, b.dynamic_factor));
}

// With the numbers of `like` where they are near, so that equality is the rest.
BlockSpec with_numbers_of(BlockSpec spec, const BlockSpec& like, std::int64_t head_dim) {
  const double usual = 1 / std::sqrt(static_cast<double>(head_dim));
  const auto take = [](double& number, double other, double absent) {
    if (near(number == 0 ? absent : number, other == 0 ? absent : other)) number = other;
  };
  take(spec.norm_eps, like.norm_eps, 0);
  take(spec.attention_scale, like.attention_scale, usual);
  take(spec.attention_soft_cap, like.attention_soft_cap, 0);
  take(spec.residual_multiplier, like.residual_multiplier, 0);
  return spec;
}

std::string in_words(const BlockSpec& spec) {
  std::vector<std::string> words = block_choices(spec);
  words.push_back(fmt::format("biases {}{}{}", spec.qkv_bias, spec.attention_out_bias, spec.mlp_bias));
  words.push_back(fmt::format("activation {}", activation_name(spec.activation)));
  words.push_back(fmt::format("norm epsilon {}", spec.norm_eps));
  return join(words);
}

}  // namespace

ResultJson write_config(const ModelConfig& config, const ConfigValues& values, const TensorFile& file) {
  const auto writer = writers().find(config.family);
  if (writer != writers().end()) return writer->second({config, values, file});
  std::vector<std::string> known;
  for (const auto& [family, make] : writers()) known.push_back(family);
  throw Error(ErrorKind::kModel,
              fmt::format("{}: a config.json of the family {} cannot be written; known: {}", values.where(),
                          config.family, join(known)));
}

std::string written_name(const TensorName& tensor, const ModelConfig& config) {
  const std::vector<std::string> spellings = split_at(tensor.safetensors, '|');
  const bool has_two_norms = config.spec(0).parallel && config.spec(0).mlp_norm;
  return config.family == "falcon" && !has_two_norms ? spellings.back() : spellings.front();
}

std::string config_difference(const ModelConfig& a, const ModelConfig& b) {
  const auto differs = [](const char* name, double x, double y) {
    return near(x, y) ? std::string() : fmt::format("{} {} instead of {}", name, y, x);
  };
  for (const std::string& found :
       {differs("layers", a.layers, b.layers),
        differs("d_model", static_cast<double>(a.d_model), static_cast<double>(b.d_model)),
        differs("d_ff", static_cast<double>(a.d_ff), static_cast<double>(b.d_ff)),
        differs("heads", static_cast<double>(a.heads), static_cast<double>(b.heads)),
        differs("key/value heads", static_cast<double>(a.kv_heads), static_cast<double>(b.kv_heads)),
        differs("head size", static_cast<double>(a.head_dim), static_cast<double>(b.head_dim)),
        differs("vocabulary", static_cast<double>(a.vocab), static_cast<double>(b.vocab)),
        differs("positions", static_cast<double>(a.max_positions), static_cast<double>(b.max_positions)),
        differs("learned positions", a.learned_positions, b.learned_positions),
        differs("position offset", static_cast<double>(a.position_offset),
                static_cast<double>(b.position_offset)),
        differs("embedding multiplier", a.embedding_multiplier, b.embedding_multiplier),
        differs("logit multiplier", a.logit_multiplier, b.logit_multiplier),
        differs("logit soft cap", a.logit_soft_cap, b.logit_soft_cap),
        differs("tied head", a.tied_head, b.tied_head), differs("head bias", a.head_bias, b.head_bias),
        differs("rotary tables", static_cast<double>(a.rotary.size()), static_cast<double>(b.rotary.size()))})
    if (!found.empty()) return found;
  for (std::size_t i = 0; i < a.rotary.size(); ++i)
    if (!same_angles(a.rotary[i], b.rotary[i], a)) return fmt::format("other angles in rotary table {}", i);
  for (int l = 0; l < a.layers; ++l)
    if (const BlockSpec read = with_numbers_of(b.spec(l), a.spec(l), a.head_dim); read != a.spec(l))
      return fmt::format("block {}: {}, instead of {}", l, in_words(read), in_words(a.spec(l)));
  return "";
}

}  // namespace emend
