#include "model/device_memory.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

std::optional<std::int64_t> free_device_bytes(const at::Device& device) {
  if (!device.is_cuda() || !at::hasCUDA()) return std::nullopt;
  const auto index = static_cast<c10::DeviceIndex>(device.has_index() ? device.index() : 0);
  at::globalContext().lazyInitDevice(at::kCUDA);
  const auto aggregate = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto stats = at::accelerator::getDeviceStats(index);
  // The driver counts what torch keeps for later as taken.
  const std::int64_t kept =
      stats.reserved_bytes[aggregate].current - stats.allocated_bytes[aggregate].current;
  return static_cast<std::int64_t>(at::accelerator::getMemoryInfo(index).first) + kept;
}

std::int64_t token_budget_for(std::int64_t free_bytes) {
  constexpr std::int64_t kBytesAToken = std::int64_t{4} << 20;
  return static_cast<std::int64_t>(std::bit_floor(
      static_cast<std::uint64_t>(std::clamp<std::int64_t>(free_bytes / kBytesAToken, 1, kGpuTokenBudget))));
}

std::int64_t default_token_budget(const at::Device& device) {
  constexpr std::int64_t kOnTheCpu = 4096;
  const auto free = free_device_bytes(device);
  return free ? token_budget_for(*free) : kOnTheCpu;
}

void require_room_for_weights(std::int64_t bytes, const at::TensorOptions& options) {
  const auto free = free_device_bytes(options.device());
  if (!free || bytes <= *free) return;
  throw Error(
      ErrorKind::kConfig,
      fmt::format("{} has {} free; the weights alone take {}{}", options.device().str(),
                  human_bytes(static_cast<std::uint64_t>(*free)),
                  human_bytes(static_cast<std::uint64_t>(bytes)),
                  options.dtype() == at::kFloat ? " as float32: choose the dtype bfloat16, or the device cpu"
                                                : ": choose the device cpu"));
}

}  // namespace emend
