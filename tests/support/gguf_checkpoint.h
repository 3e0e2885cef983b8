// A safetensors checkpoint of tests/data/parity written as GGUF, the way llama.cpp's converter does it.
#pragma once

#include <cmath>

#include "io/byte_builder.h"
#include "io/element_types.h"
#include "support/checkpoint_copy.h"
#include "support/gguf_names.h"

namespace emend::test {

enum class GgufType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ8_0 = 8,
  kBF16 = 30,
  kMxfp4 = 39
};

// Pairs and tensors in any order; matrices are stored in `matrix_type`, everything of one dimension in F32.
class GgufCheckpoint {
 public:
  explicit GgufCheckpoint(GgufType matrix_type) : matrix_type_(matrix_type) {}

  void add_text(const std::string& key, const std::string& text) {
    file_.pairs.push_back(gguf_pair(key, 8, gguf_string(text)));
  }
  void add_integer(const std::string& key, std::uint32_t value) {
    file_.pairs.push_back(gguf_pair(key, 4, u32(value)));
  }
  void add_boolean(const std::string& key, bool value) {
    file_.pairs.push_back(gguf_pair(key, 7, std::string(1, value ? '\1' : '\0')));
  }
  void add_number(const std::string& key, float value) {
    file_.pairs.push_back(gguf_pair(key, 6, little(value)));
  }

  // weight: [out, in] or [n], float32
  void add_tensor(const std::string& name, const at::Tensor& weight) {
    const auto type = weight.dim() > 1 && name != "position_embd.weight" ? matrix_type_ : GgufType::kF32;
    std::vector<std::uint64_t> ne;
    for (std::int64_t i = weight.dim() - 1; i >= 0; --i)
      ne.push_back(static_cast<std::uint64_t>(weight.size(i)));
    file_.tensors.push_back(gguf_tensor(name, ne, static_cast<std::uint32_t>(type), file_.data.size()));
    file_.data += stored(weight.contiguous(), type);
    file_.data.append((32 - file_.data.size() % 32) % 32, '\0');
  }

  // One whose bytes are given, of any type: shape [out, in].
  void add_stored(const std::string& name, const std::vector<std::int64_t>& shape, const ElementType& type,
                  const std::string& bytes) {
    file_.tensors.push_back(
        gguf_tensor(name, {static_cast<std::uint64_t>(shape[1]), static_cast<std::uint64_t>(shape[0])},
                    static_cast<std::uint32_t>(type.ggml_id), file_.data.size()));
    file_.data += bytes;
    file_.data.append((32 - file_.data.size() % 32) % 32, '\0');
  }

  std::string bytes() const { return file_.bytes(); }

 private:
  static std::string raw(const at::Tensor& t) {
    return {static_cast<const char*>(t.const_data_ptr()), t.nbytes()};
  }

  static std::string quantised(const at::Tensor& weight, const ElementType& type) {
    const auto blocks = static_cast<std::size_t>(weight.numel()) / type.block_elements;
    std::string bytes(blocks * type.block_bytes, '\0');
    type.write(weight.const_data_ptr<float>(), reinterpret_cast<std::byte*>(bytes.data()), blocks);
    return bytes;
  }

  static std::string stored(const at::Tensor& weight, GgufType type) {
    switch (type) {
      case GgufType::kF32:
        return raw(weight);
      case GgufType::kF16:
        return raw(weight.to(at::kHalf));
      case GgufType::kBF16:
        return raw(weight.to(at::kBFloat16));
      case GgufType::kQ4_0:
        return quantised(weight, element_type("Q4_0"));
      case GgufType::kQ4_1:
        return quantised(weight, element_type("Q4_1"));
      case GgufType::kMxfp4:  // not of this weight: 0 and 12 times 2^-16, by turns of 16
        return std::string(static_cast<std::size_t>(weight.numel()) / 32 * 17, '\x70');
      case GgufType::kQ8_0:
        break;
    }
    // Blocks of 32 along a row: f16 d = max |x| / 127, then 32 signed bytes round(x / d).
    std::string bytes;
    const at::Tensor blocks = weight.reshape({-1, 32});
    for (std::int64_t i = 0; i < blocks.size(0); ++i) {
      const at::Tensor d = blocks[i].abs().max() / 127;
      bytes += raw(d.to(at::kHalf));
      bytes += raw(at::round(blocks[i] / d).to(at::kChar));
    }
    return bytes;
  }

  GgufType matrix_type_;
  GgufFile file_;
};

// The converter's order of query and key rows: its row h d + 2 i + p is row h d + p d/2 + i of the
// checkpoint.
inline at::Tensor interleaved_rows(const at::Tensor& weight, std::int64_t heads) {
  at::Tensor result = at::empty_like(weight);
  const std::int64_t d = weight.size(0) / heads;
  for (std::int64_t h = 0; h < heads; ++h)
    for (std::int64_t i = 0; i < d / 2; ++i)
      for (std::int64_t p = 0; p < 2; ++p) result[h * d + 2 * i + p].copy_(weight[h * d + p * (d / 2) + i]);
  return result;
}

inline GgufCheckpoint llama_as_gguf(const std::string& name, GgufType type) {
  const CheckpointCopy copy(name);
  const nlohmann::json& c = copy.config;
  GgufCheckpoint gguf(type);
  gguf.add_text("general.architecture", "llama");
  gguf.add_integer("llama.block_count", c.at("num_hidden_layers"));
  gguf.add_integer("llama.embedding_length", c.at("hidden_size"));
  gguf.add_integer("llama.feed_forward_length", c.at("intermediate_size"));
  gguf.add_integer("llama.attention.head_count", c.at("num_attention_heads"));
  gguf.add_integer("llama.attention.head_count_kv", c.at("num_key_value_heads"));
  gguf.add_integer("llama.context_length", c.at("max_position_embeddings"));
  gguf.add_number("llama.attention.layer_norm_rms_epsilon", c.at("rms_norm_eps").get<float>());
  gguf.add_number("llama.rope.freq_base", c.at("rope_parameters").at("rope_theta").get<float>());
  const std::int64_t head_dim = c.at("head_dim");
  gguf.add_integer("llama.rope.dimension_count", static_cast<std::uint32_t>(head_dim));
  if (head_dim * c.at("num_attention_heads").get<std::int64_t>() != c.at("hidden_size"))
    gguf.add_integer("llama.attention.key_length", static_cast<std::uint32_t>(head_dim));
  const auto file = open_safetensors(data_path("parity/" + name + "/model.safetensors"));
  for (const TensorInfo& info : file->tensors()) {
    at::Tensor weight = read_tensor(*file, info.name);
    if (info.name.find("q_proj") != std::string::npos)
      weight = interleaved_rows(weight, c.at("num_attention_heads"));
    if (info.name.find("k_proj") != std::string::npos)
      weight = interleaved_rows(weight, c.at("num_key_value_heads"));
    gguf.add_tensor(replaced(info.name, {{"model.embed_tokens", "token_embd"},
                                         {"model.norm", "output_norm"},
                                         {"lm_head", "output"},
                                         {"model.layers", "blk"},
                                         {"input_layernorm", "attn_norm"},
                                         {"post_attention_layernorm", "ffn_norm"},
                                         {"self_attn.q_proj", "attn_q"},
                                         {"self_attn.k_proj", "attn_k"},
                                         {"self_attn.v_proj", "attn_v"},
                                         {"self_attn.o_proj", "attn_output"},
                                         {"mlp.gate_proj", "ffn_gate"},
                                         {"mlp.up_proj", "ffn_up"},
                                         {"mlp.down_proj", "ffn_down"}}),
                    weight);
  }
  return gguf;
}

inline GgufCheckpoint gpt2_as_gguf(const std::string& name, GgufType type) {
  const CheckpointCopy copy(name);
  const nlohmann::json& c = copy.config;
  GgufCheckpoint gguf(type);
  gguf.add_text("general.architecture", "gpt2");
  gguf.add_integer("gpt2.block_count", c.at("n_layer"));
  gguf.add_integer("gpt2.embedding_length", c.at("n_embd"));
  gguf.add_integer("gpt2.feed_forward_length", 4 * c.at("n_embd").get<std::uint32_t>());
  gguf.add_integer("gpt2.attention.head_count", c.at("n_head"));
  gguf.add_integer("gpt2.context_length", c.at("n_positions"));
  gguf.add_number("gpt2.attention.layer_norm_epsilon", c.at("layer_norm_epsilon").get<float>());
  const auto file = open_safetensors(data_path("parity/" + name + "/model.safetensors"));
  for (const TensorInfo& info : file->tensors()) {
    at::Tensor weight = read_tensor(*file, info.name);
    const bool conv1d = info.name.find(".c_") != std::string::npos && weight.dim() == 2;
    if (conv1d) weight = weight.t().contiguous();
    gguf.add_tensor(gpt2_gguf_name(info.name), weight);
  }
  return gguf;
}

// The down projection of the second block, [32, 256], as it is stored.
struct StoredDown {
  const ElementType* type = nullptr;
  std::string bytes;
};

// A random model of either family whose rows are whole blocks of 32: d_model 32, d_ff 96 (256 with a `down`),
// 2 blocks.
inline GgufCheckpoint tiny_gguf(const std::string& family, GgufType type, const StoredDown& down = {}) {
  constexpr std::int64_t kModel = 32, kVocabulary = 40;
  const std::int64_t inner = down.type == nullptr ? 96 : 256;
  std::int64_t seed = 0;
  const auto random = [&](const std::vector<std::int64_t>& shape) {
    std::int64_t size = 1;
    for (const std::int64_t n : shape) size *= n;
    ++seed;
    return (at::sin(at::arange(size, at::kFloat) * 1.7F + static_cast<float>(seed)) * 0.2F).reshape(shape);
  };
  GgufCheckpoint gguf(type);
  gguf.add_text("general.architecture", family);
  gguf.add_text("general.name", "tiny");
  gguf.add_integer(family + ".block_count", 2);
  gguf.add_integer(family + ".embedding_length", kModel);
  gguf.add_integer(family + ".feed_forward_length", static_cast<std::uint32_t>(inner));
  gguf.add_integer(family + ".attention.head_count", 4);
  gguf.add_integer(family + ".context_length", 24);
  const bool llama = family == "llama";
  gguf.add_number(family + (llama ? ".attention.layer_norm_rms_epsilon" : ".attention.layer_norm_epsilon"),
                  1e-5F);
  if (llama) gguf.add_integer("llama.rope.dimension_count", kModel / 4);
  gguf.add_tensor("token_embd.weight", random({kVocabulary, kModel}));
  if (!llama) gguf.add_tensor("position_embd.weight", random({24, kModel}));
  const auto add = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
    gguf.add_tensor(name + ".weight", random(shape));
    if (!llama) gguf.add_tensor(name + ".bias", random({shape[0]}));
  };
  for (int l = 0; l < 2; ++l) {
    const std::string block = "blk." + std::to_string(l) + ".";
    add(block + "attn_norm", {kModel});
    if (llama) {
      for (const char* const part : {"attn_q", "attn_k", "attn_v"}) add(block + part, {kModel, kModel});
    } else {
      add(block + "attn_qkv", {3 * kModel, kModel});
    }
    add(block + "attn_output", {kModel, kModel});
    add(block + "ffn_norm", {kModel});
    if (llama) add(block + "ffn_gate", {inner, kModel});
    add(block + "ffn_up", {inner, kModel});
    if (l == 1 && down.type != nullptr)
      gguf.add_stored(block + "ffn_down.weight", {kModel, inner}, *down.type, down.bytes);
    else
      add(block + "ffn_down", {kModel, inner});
  }
  add("output_norm", {kModel});
  return gguf;
}

}  // namespace emend::test
