// A model family is data: which settings it reads, which tensor plays which
// role, and which choices its blocks make.
#pragma once

#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/tensor_file.h"
#include "model/families/config_values.h"

namespace emend {

// The tensor that plays a role. "{l}" stands for the block's number. An empty name: not in that format.
struct TensorName {
  Role role;
  std::string safetensors;
  std::string gguf;
  bool conv1d = false;  // safetensors stores it [in, out] (GPT-2's Conv1D); GGUF is always [out, in]
};

struct Family {
  std::string name;               // model_type in config.json
  std::string architecture;       // architectures[0] in config.json
  std::string gguf_architecture;  // general.architecture; empty: there is no such GGUF
  std::string optional_prefix;    // some hub files leave it out: "transformer."
  std::vector<TensorName> tensors;
  std::vector<std::string> ignored;  // endings of buffers that old files carry
  // Fills the config; `file` tells what only the tensors tell (biases and a
  // tied head in GGUF). Throws Error(kModel).
  ModelConfig (*read_config)(const ConfigValues& values, const TensorFile& file);
};

const Family& gpt2_family();
const Family& gptj_family();
const Family& llama_family();

// The family that the settings name. Throws Error(kModel) with the known ones for any other.
const Family& find_family(const ConfigValues& values);
std::vector<std::string> known_families();

// The family of this name (ModelConfig::family). Throws Error(kModel) for any other.
const Family& find_family(const std::string& name);

// The tensor that plays a role; every family has one for kMlpDown.
const TensorName& role_tensor(const Family& family, Role role);

}  // namespace emend
