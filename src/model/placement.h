// A model over several devices: whole blocks one after the other, so that a pass changes device a few times.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

// "cuda:0,cuda:1": the devices in order; the first holds embeddings and head, too, and what passes take and
// give. Throws Error(kUsage) for one that is unknown, missing on this machine, or named twice.
std::vector<at::Device> parse_devices(const std::string& text);

// GPUs that this process can use; 0 where this build or machine has none.
int count_gpus();

// The device of each block: consecutive ones, about as many bytes of weights on every device.
std::vector<at::Device> place_blocks(const ModelConfig& config, const std::vector<at::Device>& devices);

// Whether a model's devices (Model::devices()) are several.
inline bool is_split(const std::string& devices) {
  return devices.find(',') != std::string::npos;
}

}  // namespace emend
