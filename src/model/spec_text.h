// What a model's blocks do beyond the plain block of GPT-2, GPT-J and Llama, in words: for digests and for
// people.
#pragma once

#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

// One line for each choice of the model that is not the usual one, and for each block that has choices of
// its own: "block 3: window 512". Empty for GPT-2, GPT-J and plain Llama. Numbers are written with all their
// digits, so that two models with the same lines compute the same.
std::vector<std::string> further_choices(const ModelConfig& config);

// The part of it that is about the whole model, without tables of rotary frequencies.
std::vector<std::string> model_choices(const ModelConfig& config);

// The part for one block, without its number.
std::vector<std::string> block_choices(const BlockSpec& spec);

// Where norms stand: "pre", "post", "sandwich" or "none".
std::string norm_side(bool before, bool behind);

// How a value that the down projection produces reaches the residual stream: "added as it is", "behind a
// norm", "times 0.22".
std::string value_path_text(const BlockSpec& spec);
bool is_direct_value_path(const BlockSpec& spec);

}  // namespace emend
