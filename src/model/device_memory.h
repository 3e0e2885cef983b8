// What a GPU's memory holds, and what follows from it before any work begins.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/TensorOptions.h>

#include <cstdint>
#include <optional>

namespace emend {

// Bytes that tensors on this device may still take; nullopt on the CPU, whose memory others share.
std::optional<std::int64_t> free_device_bytes(const at::Device& device);

// Tokens of one pass where none were asked for: 4096 on the CPU; on a GPU 16384, or less where that many
// times 4 MiB are not free: a power of two, so that a resumed run finds the same. The widest block of a 6 to
// 8 billion parameter model takes a tenth of that for a token.
inline constexpr std::int64_t kGpuTokenBudget = 16384;
std::int64_t token_budget_for(std::int64_t free_bytes);
std::int64_t default_token_budget(const at::Device& device);

// Throws Error(kConfig) when the weights (`bytes`) do not fit beside what the device holds already.
void require_room_for_weights(std::int64_t bytes, const at::TensorOptions& options);

}  // namespace emend
