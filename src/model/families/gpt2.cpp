// GPT-2 (Radford et al. 2019): learned positions, LayerNorm, fused query-key-value, tanh GELU, tied head.
#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"
#include "model/families/family.h"

namespace emend {

namespace {

ModelConfig read_config(const ConfigValues& v, const TensorFile& file) {
  ModelConfig c;
  c.family = "gpt2";
  c.layers = static_cast<int>(v.integer({"n_layer", "gpt2.block_count"}));
  c.d_model = v.integer({"n_embd", "gpt2.embedding_length"});
  c.heads = v.integer({"n_head", "gpt2.attention.head_count"});
  c.kv_heads = c.heads;
  c.head_dim = c.heads > 0 ? c.d_model / c.heads : 0;
  c.d_ff = v.integer({"n_inner", "gpt2.feed_forward_length"}, 4 * c.d_model);
  c.vocab = v.is_gguf() ? 0 : v.integer({"vocab_size", ""});
  c.max_positions = v.integer({"n_positions", "gpt2.context_length"});
  c.block.norm_eps = v.number({"layer_norm_epsilon", "gpt2.attention.layer_norm_epsilon"}, 1e-5);
  const std::string activation = v.text({"activation_function", ""}, "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh")
    throw Error(
        ErrorKind::kModel,
        fmt::format(
            "{}: activation_function {} is not supported for gpt2; known: gelu_new, gelu_pytorch_tanh",
            v.where(), quote(activation)));
  if (!v.boolean({"scale_attn_weights", ""}, true))
    throw Error(ErrorKind::kModel, v.where() + ": scale_attn_weights false is not supported");
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = true;
  c.tied_head =
      v.is_gguf() ? file.find("output.weight") == nullptr : v.boolean({"tie_word_embeddings", ""}, true);
  c.block.scale_by_layer = v.boolean({"scale_attn_by_inverse_layer_idx", ""}, false);
  return c;
}

}  // namespace

const Family& gpt2_family() {
  static const Family family = {
      .name = "gpt2",
      .architecture = "GPT2LMHeadModel",
      .gguf_architecture = "gpt2",
      .optional_prefix = "transformer.",
      .tensors =
          {
              {Role::kTokenEmbedding, "transformer.wte.weight", "token_embd.weight"},
              {Role::kPositionEmbedding, "transformer.wpe.weight", "position_embd.weight"},
              {Role::kAttentionNorm, "transformer.h.{l}.ln_1.weight", "blk.{l}.attn_norm.weight"},
              {Role::kAttentionNormBias, "transformer.h.{l}.ln_1.bias", "blk.{l}.attn_norm.bias"},
              {Role::kQkv, "transformer.h.{l}.attn.c_attn.weight", "blk.{l}.attn_qkv.weight", true},
              {Role::kQkvBias, "transformer.h.{l}.attn.c_attn.bias", "blk.{l}.attn_qkv.bias"},
              {Role::kAttentionOut, "transformer.h.{l}.attn.c_proj.weight", "blk.{l}.attn_output.weight",
               true},
              {Role::kAttentionOutBias, "transformer.h.{l}.attn.c_proj.bias", "blk.{l}.attn_output.bias"},
              {Role::kMlpNorm, "transformer.h.{l}.ln_2.weight", "blk.{l}.ffn_norm.weight"},
              {Role::kMlpNormBias, "transformer.h.{l}.ln_2.bias", "blk.{l}.ffn_norm.bias"},
              {Role::kMlpUp, "transformer.h.{l}.mlp.c_fc.weight", "blk.{l}.ffn_up.weight", true},
              {Role::kMlpUpBias, "transformer.h.{l}.mlp.c_fc.bias", "blk.{l}.ffn_up.bias"},
              {Role::kMlpDown, "transformer.h.{l}.mlp.c_proj.weight", "blk.{l}.ffn_down.weight", true},
              {Role::kMlpDownBias, "transformer.h.{l}.mlp.c_proj.bias", "blk.{l}.ffn_down.bias"},
              {Role::kFinalNorm, "transformer.ln_f.weight", "output_norm.weight"},
              {Role::kFinalNormBias, "transformer.ln_f.bias", "output_norm.bias"},
              {Role::kHead, "lm_head.weight", "output.weight"},
          },
      .ignored = {".attn.bias", ".attn.masked_bias"},
      .read_config = read_config,
  };
  return family;
}

}  // namespace emend
