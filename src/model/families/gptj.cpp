// GPT-J (Wang and Komatsuzaki 2021): attention and MLP side by side behind one LayerNorm, rotary positions on
// the first dimensions of each head (neighbouring pairs), tanh GELU, an untied head with a bias.
#include <fmt/format.h>

#include "emend/error.h"
#include "model/families/families.h"
#include "model/families/settings.h"
#include "model/rotary.h"

namespace emend {

namespace {

constexpr double kRotaryBase = 10000.0;
constexpr std::int64_t kRotaryDimensions = 64;  // what a config without rotary_dim means

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  SizeNames names = gpt2_size_names();
  ModelConfig c = read_sizes(v, file, "gptj", names, NormKind::kLayerNorm);
  c.block.activation = read_activation(v, "activation_function", "gelu_new");
  require_supported(!v.is_null("rotary_dim"), v, "rotary_dim null");
  const std::int64_t turned = v.integer({"rotary_dim", ""}, kRotaryDimensions);
  if (turned <= 0 || turned % 2 != 0 || turned > c.head_dim)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: rotary_dim is {}; it must be even and at most the head size, {}", v.where(),
                            turned, c.head_dim));
  c.learned_positions = false;
  c.rotary = {{RotaryPairs::kInterleaved, rotary_frequencies(turned, kRotaryBase)}};
  c.block.qkv_bias = c.block.attention_out_bias = false;
  c.block.mlp_bias = true;
  c.block.parallel = true;
  c.block.mlp_norm = false;
  c.head_bias = true;
  return c;
}

std::vector<TensorName> names() {
  const std::string block = "transformer.h.{l}.";
  return without_gguf(joined(
      {tensor(Role::kTokenEmbedding, "transformer.wte"),
       tensors(Role::kAttentionNorm, Role::kAttentionNormBias, block + "ln_1"),
       tensor(Role::kQuery, block + "attn.q_proj"), tensor(Role::kKey, block + "attn.k_proj"),
       tensor(Role::kValue, block + "attn.v_proj"), tensor(Role::kAttentionOut, block + "attn.out_proj"),
       tensors(Role::kMlpUp, Role::kMlpUpBias, block + "mlp.fc_in"),
       tensors(Role::kMlpDown, Role::kMlpDownBias, block + "mlp.fc_out"),
       tensors(Role::kFinalNorm, Role::kFinalNormBias, "transformer.ln_f"),
       tensors(Role::kHead, Role::kHeadBias, "lm_head")}));
}

}  // namespace

Family gptj_family() {
  return {.name = "gptj",
          .model_types = {"gptj"},
          .gguf_architecture = "",
          .prefix = "transformer.",
          .tensors = names(),
          .ignored = {".attn.bias", ".attn.masked_bias", ".attn.embed_positions"},
          .read_config = read_config};
}

}  // namespace emend
