// A model over several devices, and what device holds what.
#pragma once

#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

// GPUs that this process can use; 0 where this build or machine has none.
int count_gpus();

// The device of each block: consecutive ones, about as many bytes of weights on every device.
std::vector<at::Device> place_blocks(const ModelConfig& config, const std::vector<at::Device>& devices);

// Whether a model's devices (Model::devices()) are several.
inline bool is_split(const std::string& devices) {
  return devices.find(',') != std::string::npos;
}

}  // namespace emend
