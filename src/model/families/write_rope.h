// Rotary settings of a GGUF file in the words of config.json.
#pragma once

#include <optional>

#include "base/json.h"
#include "emend/model.h"
#include "emend/tensor_file.h"
#include "model/families/config_values.h"

namespace emend {

// GGUF stores settings as float32: 1e-5 is 9.999999747378752e-06 there. The shortest decimal that rounds to
// the same float32, as a double: 1e-05.
double decimal(double value);

struct RopeWords {
  double base = 10000;
  double partial = 1;                              // share of a head's dimensions that turn
  ResultJson scaling;                              // "rope_scaling"; null: none
  std::optional<std::int64_t> original_positions;  // beside it, where the scaling asks
};

// Of the table with this number. Factors that a converter worked out (rope_freqs.weight) are Llama 3's where
// those of its releases give them, else they are written one by one, as longrope.
RopeWords rope_words(const ModelConfig& config, const ConfigValues& values, const TensorFile& file,
                     std::size_t table);

}  // namespace emend
