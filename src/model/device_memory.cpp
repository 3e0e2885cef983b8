#include "model/device_memory.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>

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
  const std::int64_t kept = stats.reserved_bytes[aggregate].current - stats.allocated_bytes[aggregate].current;
  return static_cast<std::int64_t>(at::accelerator::getMemoryInfo(index).first) + kept;
}

std::int64_t default_token_budget(const at::Device& device) {
  constexpr std::int64_t kOnTheCpu = 4096, kMost = 32768, kBytesAToken = std::int64_t{4} << 20;
  const auto free = free_device_bytes(device);
  if (!free) return kOnTheCpu;
  const auto fits = static_cast<std::uint64_t>(std::clamp<std::int64_t>(*free / kBytesAToken, 1, kMost));
  return static_cast<std::int64_t>(std::bit_floor(fits));
}

void require_room_for_weights(std::int64_t bytes, const at::TensorOptions& options) {
  const auto free = free_device_bytes(options.device());
  if (!free || bytes <= *free) return;
  throw Error(ErrorKind::kConfig, options.device().str() + " has " + human_bytes(static_cast<std::uint64_t>(*free)) + " free; the weights alone take " +
                                      human_bytes(static_cast<std::uint64_t>(bytes)) +
                                      (options.dtype() == at::kFloat ? " as float32: give --dtype bfloat16, or --device cpu" : ": give --device cpu"));
}

}  // namespace emend
