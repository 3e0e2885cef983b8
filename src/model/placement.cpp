#include "model/placement.h"

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

at::Device parse_device(const std::string& text) {
  at::Device device(at::kCPU);
  try {
    device = at::Device(text);
  } catch (const std::exception&) {
    throw Error(
        ErrorKind::kUsage,
        fmt::format("unknown device {}; known: cpu, cuda, cuda:N, or several of them with commas between",
                    quote(text)));
  }
  if (!device.is_cuda() && !device.is_cpu())
    throw Error(ErrorKind::kUsage,
                fmt::format("device {} is not supported; known: cpu, cuda, cuda:N", quote(text)));
  if (!device.is_cuda()) return at::Device(at::kCPU);
  if (!at::hasCUDA())
    throw Error(ErrorKind::kUsage,
                fmt::format("device {}: this build's libtorch has no CUDA, or the machine no GPU", text));
  const int index = device.has_index() ? std::stoi(text.substr(text.find(':') + 1)) : 0;
  if (index >= count_gpus())
    throw Error(ErrorKind::kUsage,
                fmt::format("device {}: this machine has {} GPUs, counted from 0", text, count_gpus()));
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace

int count_gpus() {
  return at::hasCUDA() ? static_cast<int>(at::accelerator::deviceCount()) : 0;
}

Placement Placement::parse(const std::string& text) {
  std::vector<at::Device> devices;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const at::Device device = parse_device(part);
    if (std::find(devices.begin(), devices.end(), device) != devices.end())
      throw Error(ErrorKind::kUsage, fmt::format("device {} is named twice", quote(part)));
    devices.push_back(device);
  }
  if (devices.empty()) throw Error(ErrorKind::kUsage, "no device is named");
  Placement placement;
  placement.devices_ = std::move(devices);
  placement.text_ = text;
  return placement;
}

std::vector<at::Device> place_blocks(const ModelConfig& c, const std::vector<at::Device>& devices) {
  const double block =
      static_cast<double>(c.d_model) *
      static_cast<double>((2 * c.heads + 2 * c.kv_heads) * c.head_dim + (c.block.gated_mlp ? 3 : 2) * c.d_ff);
  const double tables = static_cast<double>(c.vocab) * static_cast<double>(c.d_model) * (c.tied_head ? 1 : 2);
  const auto count = static_cast<double>(devices.size());
  const double blocks = block * c.layers, average = (tables + blocks) / count;
  // Tables that are more than a share have the first device for themselves.
  const bool alone = devices.size() > 1 && tables >= average;
  const double share = alone ? blocks / (count - 1) : average, before = alone ? share : tables;
  std::vector<at::Device> placed;
  for (int l = 0; l < c.layers; ++l)
    placed.push_back(devices[std::min(static_cast<std::size_t>((before + (l + 0.5) * block) / share),
                                      devices.size() - 1)]);
  return placed;
}

}  // namespace emend
