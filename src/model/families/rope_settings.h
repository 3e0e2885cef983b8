// Rotary positions as config.json and GGUF metadata spell them.
#pragma once

#include <string>

#include "model/families/family.h"

namespace emend {

// What a family means by settings that are not there, and its names for them.
struct RopeDefaults {
  double base = 10000;
  double partial = 1;  // share of a head's dimensions that turn
  // Whether a setting may say another share. transformers does not look at it in the other families.
  bool takes_partial = false;
  std::string base_name = "rope_theta";
  std::string partial_name = "partial_rotary_factor";
  RotaryPairs gguf_pairs = RotaryPairs::kHalfSplit;
  // Gemma 3 has two tables, "full_attention" and "sliding_attention"; empty: one for all layers.
  std::string layer_type;
  std::int64_t original_positions = 0;  // before stretching, where nothing says; 0: max_positions
  bool yarn_is_longrope = false;        // Phi 3's older name for it
};

// One table, with the scalings linear, dynamic, yarn, longrope and llama3. As transformers 5 reads them: a
// rope_scaling that is not empty takes the place of rope_parameters, and what stands inside comes before a
// setting beside it. As llama.cpp reads them: a factor without a type is linear, linear without a factor is
// none. Throws Error(kModel) for other types.
RotaryTable read_rotary(const ConfigValues& values, const TensorFile& file, const ModelConfig& config,
                        const RopeDefaults& defaults = {});

// Makes it the only table of all blocks. Dynamic scaling stretches max_positions by its factor.
void use_rotary(const ConfigValues& values, const TensorFile& file, ModelConfig& config,
                const RopeDefaults& defaults = {});

}  // namespace emend
