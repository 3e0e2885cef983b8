// The GPT-2-shaped model of the invented world (tests/data/world) as one GGUF file with its tokenizer, the
// way llama.cpp's converter writes it. No torch here: tests of the program and of the C interface use it.
#pragma once

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "emend/tensor_file.h"
#include "io/byte_builder.h"
#include "support/gguf_names.h"

namespace emend::test {

inline std::string gguf_strings(const std::vector<std::string>& texts) {
  std::string bytes = u32(8) + u64(texts.size());
  for (const std::string& text : texts) bytes += gguf_string(text);
  return bytes;
}

// Rows into columns, [rows, columns].
inline std::vector<float> transposed(const std::vector<float>& matrix, std::int64_t rows,
                                     std::int64_t columns) {
  std::vector<float> result(matrix.size());
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      result[static_cast<std::size_t>(j * rows + i)] = matrix[static_cast<std::size_t>(i * columns + j)];
  return result;
}

inline void add_world_tokenizer(GgufFile& gguf, const std::string& folder) {
  nlohmann::json tokenizer;
  std::ifstream(folder + "/tokenizer.json") >> tokenizer;
  const nlohmann::json& model = tokenizer.at("model");
  std::vector<std::string> tokens(model.at("vocab").size()), merges;
  for (const auto& [token, id] : model.at("vocab").items()) tokens.at(id.get<std::size_t>()) = token;
  for (const auto& merge : model.at("merges"))
    merges.push_back(merge.at(0).get<std::string>() + " " + merge.at(1).get<std::string>());
  std::string types = u32(5) + u64(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) types += u32(id < 2 ? 3 : 1);  // the first two: control
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.model", 8, gguf_string("gpt2")));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.pre", 8, gguf_string("gpt-2")));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.tokens", 9, gguf_strings(tokens)));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.token_type", 9, types));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.merges", 9, gguf_strings(merges)));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.bos_token_id", 4, u32(0)));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.eos_token_id", 4, u32(1)));
  gguf.pairs.push_back(gguf_pair("tokenizer.ggml.add_bos_token", 7, std::string(1, '\1')));
}

inline void add_world_tensor(GgufFile& gguf, const TensorFile& file, const TensorInfo& info,
                             const ElementType& matrix_type) {
  std::vector<float> numbers(static_cast<std::size_t>(info.elements()));
  read_as_float32(file, info, numbers);
  std::vector<std::int64_t> shape = info.shape;
  if (shape.size() == 2 && info.name.find(".c_") != std::string::npos) {  // GPT-2 stores these as [in, out]
    numbers = transposed(numbers, shape[0], shape[1]);
    std::swap(shape[0], shape[1]);
  }
  const bool matrix = shape.size() == 2 && info.name.find("wpe") == std::string::npos;
  const ElementType& type = matrix ? matrix_type : element_type("F32");
  const std::size_t blocks = numbers.size() / type.block_elements;
  std::vector<std::byte> bytes(blocks * type.block_bytes);
  type.write(numbers.data(), bytes.data(), blocks);
  const std::vector<std::uint64_t> ne(shape.rbegin(), shape.rend());
  gguf.tensors.push_back(
      gguf_tensor(gpt2_gguf_name(info.name), ne, static_cast<std::uint32_t>(type.ggml_id), gguf.data.size()));
  gguf.data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  gguf.data.append((32 - gguf.data.size() % 32) % 32, '\0');
}

// The bytes of the file; matrices are of the type with this name ("Q8_0").
inline std::string world_gguf(const std::string& matrix_type) {
  const std::string folder = std::string(EMEND_TEST_DATA) + "/world/gpt2";
  nlohmann::json config;
  std::ifstream(folder + "/config.json") >> config;
  GgufFile gguf;
  const auto number = [&](const char* key, const char* of) {
    gguf.pairs.push_back(gguf_pair(key, 4, u32(config.at(of).get<std::uint32_t>())));
  };
  gguf.pairs.push_back(gguf_pair("general.architecture", 8, gguf_string("gpt2")));
  number("gpt2.block_count", "n_layer");
  number("gpt2.embedding_length", "n_embd");
  number("gpt2.feed_forward_length", "n_inner");
  number("gpt2.attention.head_count", "n_head");
  number("gpt2.context_length", "n_positions");
  gguf.pairs.push_back(gguf_pair("gpt2.attention.layer_norm_epsilon", 6,
                                 little(config.at("layer_norm_epsilon").get<float>())));
  add_world_tokenizer(gguf, folder);
  const auto file = open_safetensors(folder + "/model.safetensors");
  for (const TensorInfo& info : file->tensors())
    add_world_tensor(gguf, *file, info, element_type(matrix_type));
  return gguf.bytes();
}

}  // namespace emend::test
