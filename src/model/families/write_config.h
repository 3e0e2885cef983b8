// The config.json of a model whose settings came from a GGUF file, as `transformers` reads it.
#pragma once

#include <string>

#include "base/json.h"
#include "emend/model.h"
#include "emend/tensor_file.h"
#include "model/families/config_values.h"
#include "model/families/family.h"

namespace emend {

// Without the type of its numbers and without the ids of special tokens. `values` and `file` tell how the
// rotary angles came about; the rest is in `config`. A model of the family llama with a window is written as
// mistral, which has one. Throws Error(kModel) for a family without a writer, by name.
ResultJson write_config(const ModelConfig& config, const ConfigValues& values, const TensorFile& file);

// The name of a tensor in the file beside such a config.json, with its places for numbers. Falcon's norms
// have other names where there is one for both halves of a block.
std::string written_name(const TensorName& tensor, const ModelConfig& config);

// In what a config.json that was written and read again differs from the model that it is of: one setting by
// name, with both values; empty where there is nothing. Numbers may differ as float32 does (1e-6), angles by
// 1e-5 of theirs. Which dimensions of a head turn together may differ: rows of queries and keys follow.
std::string config_difference(const ModelConfig& config, const ModelConfig& written);

}  // namespace emend
