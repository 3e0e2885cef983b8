#include "emend/compute.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

constexpr std::array<std::pair<const char*, ComputeType>, 3> kComputeTypes = {
    {{"float32", ComputeType::kFloat32},
     {"bfloat16", ComputeType::kBfloat16},
     {"float16", ComputeType::kFloat16}}};

constexpr std::string_view kCpu = "cpu", kCuda = "cuda";

// "cuda:" with a number as it is printed: no sign and no zeros in front.
std::optional<DeviceName> parse_device_name(std::string_view text) {
  if (text == kCpu) return DeviceName{DeviceKind::kCpu};
  if (!text.starts_with(kCuda)) return std::nullopt;
  DeviceName device{DeviceKind::kCuda};
  if (text == kCuda) return device;
  text.remove_prefix(kCuda.size());
  if (text.front() != ':') return std::nullopt;
  text.remove_prefix(1);
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), device.index);
  const bool whole = status == std::errc() && end == text.data() + text.size();
  return whole && std::to_string(device.index) == text && device.index >= 0 ? std::optional(device)
                                                                            : std::nullopt;
}

}  // namespace

std::string to_string(ComputeType type) {
  for (const auto& [name, named] : kComputeTypes)
    if (named == type) return name;
  throw std::invalid_argument("to_string: no such ComputeType");
}

std::string to_string_or_empty(std::optional<ComputeType> type) {
  return type ? to_string(*type) : "";
}

std::optional<ComputeType> find_compute_type(std::string_view text) {
  for (const auto& [name, named] : kComputeTypes)
    if (text == name) return named;
  return std::nullopt;
}

ComputeType parse_compute_type(const std::string& text) {
  if (const auto found = find_compute_type(text)) return *found;
  throw Error(ErrorKind::kUsage,
              fmt::format("unknown dtype {}; known: float32, bfloat16, float16", quote(text)));
}

std::string to_string(const std::vector<DeviceName>& devices) {
  std::vector<std::string> names;
  for (const DeviceName& device : devices) {
    std::string name(device.kind == DeviceKind::kCpu ? kCpu : kCuda);
    if (device.index >= 0) name += fmt::format(":{}", device.index);
    names.push_back(std::move(name));
  }
  return join(names, ",");
}

std::optional<std::vector<DeviceName>> parse_devices(std::string_view text) {
  std::vector<DeviceName> devices;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const auto device = parse_device_name(text.substr(0, comma));
    if (!device || comma + 1 == text.size()) return std::nullopt;
    devices.push_back(*device);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return devices;
}

}  // namespace emend
