// GPT-J (Wang and Komatsuzaki 2021): attention and MLP side by side behind one LayerNorm, rotary positions on
// the first dimensions of each head (neighbouring pairs), tanh GELU, an untied head with a bias.
#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "model/families/family.h"
#include "model/rotary.h"

namespace emend {

namespace {

constexpr double kRotaryBase = 10000.0;
constexpr std::int64_t kRotaryDimensions = 64;  // what a config without rotary_dim means

ModelConfig read_config(const ConfigValues& v, const TensorFile&) {
  ModelConfig c;
  c.family = "gptj";
  c.layers = static_cast<int>(v.integer({"n_layer", ""}));
  c.d_model = v.integer({"n_embd", ""});
  c.heads = v.integer({"n_head", ""});
  c.kv_heads = c.heads;
  c.head_dim = c.heads > 0 ? c.d_model / c.heads : 0;
  c.d_ff = v.integer({"n_inner", ""}, 4 * c.d_model);
  c.vocab = v.integer({"vocab_size", ""});
  c.max_positions = v.integer({"n_positions", ""});
  c.block.norm_eps = v.number({"layer_norm_epsilon", ""}, 1e-5);
  const std::string activation = v.text({"activation_function", ""}, "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh")
    throw Error(
        ErrorKind::kModel,
        fmt::format(
            "{}: activation_function {} is not supported for gptj; known: gelu_new, gelu_pytorch_tanh",
            v.where(), quote(activation)));
  const std::int64_t turned = v.integer({"rotary_dim", ""}, kRotaryDimensions);
  if (turned <= 0 || turned % 2 != 0 || turned > c.head_dim)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: rotary_dim is {}; it must be even and at most the head size, {}", v.where(),
                            turned, c.head_dim));
  c.learned_positions = false;
  c.rotary = {{RotaryPairs::kInterleaved, rotary_frequencies(turned, kRotaryBase)}};
  c.block.parallel = true;
  c.block.mlp_norm = false;
  c.block.mlp_bias = true;
  c.tied_head = v.boolean({"tie_word_embeddings", ""}, false);
  c.head_bias = true;
  return c;
}

}  // namespace

const Family& gptj_family() {
  static const Family family = {
      .name = "gptj",
      .architecture = "GPTJForCausalLM",
      .gguf_architecture = "",
      .optional_prefix = "transformer.",
      .tensors =
          {
              {Role::kTokenEmbedding, "transformer.wte.weight", ""},
              {Role::kAttentionNorm, "transformer.h.{l}.ln_1.weight", ""},
              {Role::kAttentionNormBias, "transformer.h.{l}.ln_1.bias", ""},
              {Role::kQuery, "transformer.h.{l}.attn.q_proj.weight", ""},
              {Role::kKey, "transformer.h.{l}.attn.k_proj.weight", ""},
              {Role::kValue, "transformer.h.{l}.attn.v_proj.weight", ""},
              {Role::kAttentionOut, "transformer.h.{l}.attn.out_proj.weight", ""},
              {Role::kMlpUp, "transformer.h.{l}.mlp.fc_in.weight", ""},
              {Role::kMlpUpBias, "transformer.h.{l}.mlp.fc_in.bias", ""},
              {Role::kMlpDown, "transformer.h.{l}.mlp.fc_out.weight", ""},
              {Role::kMlpDownBias, "transformer.h.{l}.mlp.fc_out.bias", ""},
              {Role::kFinalNorm, "transformer.ln_f.weight", ""},
              {Role::kFinalNormBias, "transformer.ln_f.bias", ""},
              {Role::kHead, "lm_head.weight", ""},
              {Role::kHeadBias, "lm_head.bias", ""},
          },
      .ignored = {".attn.bias", ".attn.masked_bias", ".attn.embed_positions"},
      .read_config = read_config,
  };
  return family;
}

}  // namespace emend
