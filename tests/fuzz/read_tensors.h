// All that can be read of an open checkpoint.
#pragma once

#include <vector>

#include "emend/tensor_file.h"
#include "read_input.h"

namespace emend::fuzz {

// Every stored byte is touched, every tensor of a known type becomes floats.
inline void read_tensors(const TensorFile& file) {
  constexpr std::int64_t kMost = 1 << 20;
  unsigned sum = 0;
  for (const TensorInfo& info : file.tensors()) {
    abort_unless(file.find(info.name) != nullptr, "a tensor is found by its name");
    for (const std::byte byte : file.bytes(info)) sum += static_cast<unsigned>(byte);
    abort_unless(file.bytes(info).size() == info.bytes, "a tensor has as many bytes as it says");
    if (info.type->read == nullptr || info.elements() > kMost) continue;
    std::vector<float> values(static_cast<std::size_t>(info.elements()));
    read_as_float32(file, info, values);
  }
  volatile unsigned kept = sum;
  (void)kept;
}

}  // namespace emend::fuzz
