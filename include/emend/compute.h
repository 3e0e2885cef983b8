// What a run computes in and on. Patches and the results of benchmarks record it, also where there is no
// torch.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emend {

// Type of weights and activations. float16 runs on CUDA only.
enum class ComputeType { kFloat32, kBfloat16, kFloat16 };
std::string to_string(ComputeType type);                          // "float32", "bfloat16", "float16"
std::string to_string_or_empty(std::optional<ComputeType> type);  // "" for one that was not recorded
// The reverse. Returns std::nullopt for other texts.
std::optional<ComputeType> find_compute_type(std::string_view text);
// The same. Throws Error(kUsage) that lists the known ones.
ComputeType parse_compute_type(const std::string& text);

enum class DeviceKind { kCpu, kCuda };

// A device as it was asked for; whether this machine has it is another question (Placement in model.h).
struct DeviceName {
  DeviceKind kind = DeviceKind::kCpu;
  int index = -1;  // of a GPU, from 0; -1: none was named

  auto operator<=>(const DeviceName&) const = default;
};
// "cpu", "cuda", "cuda:1", "cuda:0,cuda:1"; "" for no device.
std::string to_string(const std::vector<DeviceName>& devices);
// The reverse. Returns std::nullopt for other texts.
std::optional<std::vector<DeviceName>> parse_devices(std::string_view text);

}  // namespace emend
