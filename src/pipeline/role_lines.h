// The roles of a model's tensors, the sides of its norms and the share of its feed-forward networks, blocks
// that are alike as one line.
#pragma once

#include <string>
#include <vector>

#include "emend/model_check.h"

namespace emend {

// "0, 2 to 4"
std::string ranges_text(const std::vector<int>& numbers);

// One line for the tensors of one role that are stored alike.
std::vector<RoleLine> role_lines(const std::vector<RoleEntry>& entries);

std::vector<NormLine> norm_lines(const ModelConfig& config);

FfnShare ffn_share(const std::vector<RoleLine>& roles);

}  // namespace emend
