// Models of the sizes that people edit, with random weights made on the device: no checkpoint is needed to
// time them.
#pragma once

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "emend/error.h"
#include "emend/model.h"
#include "model/rotary.h"

namespace emend::bench {

inline ModelConfig gpt2_xl() {
  ModelConfig c;
  c.family = "gpt2";
  c.layers = 48;
  c.d_model = 1600;
  c.d_ff = 6400;
  c.heads = c.kv_heads = 25;
  c.head_dim = 64;
  c.vocab = 50257;
  c.max_positions = 1024;
  c.block.qkv_bias = c.block.attention_out_bias = c.block.mlp_bias = true;
  return c;
}

inline ModelConfig gptj_6b() {
  ModelConfig c;
  c.family = "gptj";
  c.layers = 28;
  c.d_model = 4096;
  c.d_ff = 16384;
  c.heads = c.kv_heads = 16;
  c.head_dim = 256;
  c.vocab = 50400;
  c.max_positions = 2048;
  c.learned_positions = false;
  c.rotary = {{RotaryPairs::kInterleaved, rotary_frequencies(64, 10000.0)}};
  c.block.parallel = c.block.mlp_bias = c.head_bias = true;
  c.block.mlp_norm = false;
  c.tied_head = false;
  return c;
}

inline ModelConfig llama3_8b() {
  ModelConfig c;
  c.family = "llama";
  c.layers = 32;
  c.d_model = 4096;
  c.d_ff = 14336;
  c.heads = 32;
  c.kv_heads = 8;
  c.head_dim = 128;
  c.vocab = 128256;
  c.max_positions = 8192;
  c.block.norm = NormKind::kRmsNorm;
  c.learned_positions = false;
  c.rotary = {{RotaryPairs::kHalfSplit, rotary_frequencies(128, 500000.0)}};
  c.block.activation = ActivationKind::kSilu;
  c.block.gated_mlp = true;
  c.tied_head = false;
  return c;
}

inline ModelConfig smollm2_135m() {
  ModelConfig c = llama3_8b();
  c.layers = 30;
  c.d_model = 576;
  c.d_ff = 1536;
  c.heads = 9;
  c.kv_heads = 3;
  c.head_dim = 64;
  c.vocab = 49152;
  c.max_positions = 2048;
  c.rotary = {{RotaryPairs::kHalfSplit, rotary_frequencies(64, 100000.0)}};
  c.tied_head = true;
  return c;
}

inline bool is_shape(const std::string& name) {
  return name == "gpt2-xl" || name == "gpt-j" || name == "llama-3-8b" || name == "smollm2";
}

inline ModelConfig shape_named(const std::string& name) {
  if (name == "gpt2-xl") return gpt2_xl();
  if (name == "gpt-j") return gptj_6b();
  if (name == "llama-3-8b") return llama3_8b();
  if (name == "smollm2") return smollm2_135m();
  throw Error(ErrorKind::kUsage, "unknown shape '" + name + "'; known: gpt2-xl, gpt-j, llama-3-8b, smollm2");
}

// The invented world's tokenizer: its 1,500 ids are ids of every shape above.
inline std::unique_ptr<Tokenizer> world_tokenizer() {
  const std::string path = std::string(EMEND_TEST_DATA) + "/world/gpt2/tokenizer.json";
  std::ifstream file(path);
  TokenizerJson source;
  source.tokenizer_json.assign(std::istreambuf_iterator<char>(file), {});
  source.where = path;
  return make_tokenizer(source);
}

// Parameters of the blocks [begin, end), the head left out.
inline double block_parameters(const ModelConfig& c, int begin, int end) {
  const double attention = static_cast<double>(c.d_model) * c.head_dim * (2 * c.heads + 2 * c.kv_heads);
  return (end - begin) *
         (attention + (c.block.gated_mlp ? 3.0 : 2.0) * static_cast<double>(c.d_model) * c.d_ff);
}

// Waits until the device has done all that it was given.
inline void finish(const at::Device& device) {
  if (device.is_cuda()) at::zeros({1}, at::TensorOptions(device)).item<float>();
}

// Bytes held by tensors on a GPU now, and the most since the last call; 0 on the CPU.
struct DeviceMemory {
  double now = 0, peak = 0;
};
inline DeviceMemory device_memory(const at::Device& device) {
  if (!device.is_cuda()) return {};
  const auto index = static_cast<c10::DeviceIndex>(device.has_index() ? device.index() : 0);
  const auto stats = at::accelerator::getDeviceStats(index);
  const auto& bytes =
      stats.allocated_bytes[static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  at::accelerator::resetPeakStats(index);
  return {static_cast<double>(bytes.current), static_cast<double>(bytes.peak)};
}

}  // namespace emend::bench
