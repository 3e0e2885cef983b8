// A model family is data: which settings it reads, which tensor plays which role, and which choices its
// blocks make.
#pragma once

#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/tensor_file.h"
#include "model/families/config_values.h"

namespace emend {

// How a safetensors file stores a weight. GGUF always stores it [out, in] and in the order of the pass.
enum class StoredForm {
  kPlain,
  kConv1d,      // [in, out] (GPT-2's Conv1D)
  kGroupedQkv,  // rows by key/value head: its queries, its key, its value (GPT-NeoX, Falcon)
};

// The tensor that plays a role. "{l}" stands for the block's number; with "{h}" there is one for each row of
// the weight (StableLM's heads); names separated by a bar are spellings of one tensor, the first one that a
// file has is taken. An empty name: not in that format.
struct TensorName {
  Role role;
  std::string safetensors;
  std::string gguf;
  StoredForm form = StoredForm::kPlain;
};

struct Family {
  std::string name;                      // ModelConfig::family
  std::vector<std::string> model_types;  // in config.json
  std::string gguf_architecture;         // general.architecture; empty: there is no such GGUF
  // What stands in front of all names but the head's. Files of other programs leave it out, or put the names
  // of a larger model there (family_prefixes).
  std::string prefix;
  std::vector<TensorName> tensors;
  std::vector<std::string> ignored;  // endings of buffers that old files carry
  bool norms_from_zero = false;      // safetensors stores norms as what is added to 1 (Gemma)
  // Fills the config; `file` tells what only the tensors tell (biases and a tied head in GGUF). Throws
  // Error(kModel).
  ModelConfig (*read_config)(const ConfigValues& values, const TensorFile& file);
};

// The family that the settings name. Throws Error(kModel) with the known ones for any other, and with the
// reason for those that are known to be of another kind.
const Family& find_family(const ConfigValues& values);
std::vector<std::string> known_families();

// The family of this name (ModelConfig::family). Throws Error(kModel) for any other.
const Family& find_family(const std::string& name);

// The tensor that plays a role; every family has one for kMlpDown.
const TensorName& role_tensor(const Family& family, Role role);

// What may stand in the place of the family's prefix: the prefix itself, nothing, and the text half of models
// that also see. `head` stands in front of the head's name then.
struct NamePrefix {
  std::string text, head;
  bool is_part = false;  // other tensors belong to other parts of the model
};
std::vector<NamePrefix> family_prefixes(const Family& family);

}  // namespace emend
