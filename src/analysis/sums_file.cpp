#include "analysis/sums_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kMostDimensions = 1 << 20;
constexpr const char* kHalfNames[] = {"a", "b"};

std::string stem_of(SumsKind kind) {
  return kind == SumsKind::kCheckpoint ? "checkpoint_" : "sums_";
}

std::string layer_name(int layer) {
  return fmt::format("layer.{}.", layer);
}

[[noreturn]] void refuse(const TensorFile& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, fmt::format("{}: {}", file.path().string(), what));
}

[[noreturn]] void refuse_sum(const TensorFile& file, const std::string& name, std::int64_t d_ff) {
  refuse(file, fmt::format("the tensor {} is not a sum of keys of {}", name, d_ff));
}

std::int64_t read_d_ff(const TensorFile& file) {
  if (metadata_number(file, "panel") != MomentSum::kPanel)
    refuse(file, "these sums are packed in another way");
  const std::int64_t d_ff = metadata_number(file, "d_ff");
  if (d_ff < 1 || d_ff > kMostDimensions)
    refuse(file, fmt::format("emend.d_ff of {} cannot be the dimension of a key", d_ff));
  return d_ff;
}

// Before anything of that size is allocated.
void require_sums(const TensorFile& file, const std::vector<int>& layers, std::int64_t d_ff) {
  for (const int layer : layers)
    for (const char* half : kHalfNames) {
      const TensorInfo* const info = file.find(layer_name(layer) + half);
      if (!info || info->elements() != MomentSum::packed_elements(d_ff))
        refuse_sum(file, layer_name(layer) + half, d_ff);
    }
}

MomentSum read_half(const TensorFile& file, const std::string& name, std::int64_t d_ff, std::int64_t count) {
  const at::Tensor sum = stored_tensor(file, name, "F64");
  if (!at::isfinite(sum).all().item<bool>()) refuse_sum(file, name, d_ff);
  return MomentSum::from_packed(d_ff, count, sum);
}

at::Tensor read_probes(const TensorFile& file, const std::string& name, std::int64_t d_ff) {
  at::Tensor probes = stored_tensor(file, name, "F32");
  if (probes.dim() != 2 || probes.size(1) != d_ff)
    refuse(file, fmt::format("the tensor {} has another shape", name));
  return probes;
}

}  // namespace

void add_sums(FileWriter& writer, const SumsState& state) {
  const KeySums& sums = state.sums;
  std::vector<std::int64_t> layers, counts;
  for (std::size_t i = 0; i < sums.layers().size(); ++i) {
    const int layer = sums.layers()[i];
    layers.push_back(layer);
    for (int half = 0; half < KeySums::kHalves; ++half) {
      writer.add(layer_name(layer) + kHalfNames[half], sums.half(i, half).packed());
      counts.push_back(sums.half(i, half).count());
    }
    if (const auto probes = state.probes.find(layer); probes != state.probes.end())
      writer.add(layer_name(layer) + "probes", probes->second);
  }
  writer.add("layers", layers);
  writer.add("counts", counts);
  writer.set("d_ff", std::to_string(sums.d_ff()));
  writer.set("panel", std::to_string(MomentSum::kPanel));
  writer.set("next_point", std::to_string(static_cast<std::int64_t>(std::ceil(state.next_point))));
}

SumsState read_sums(const TensorFile& file) {
  const std::int64_t d_ff = read_d_ff(file);
  std::vector<int> layers;
  for (const std::int64_t layer : read_numbers(file, "layers")) layers.push_back(static_cast<int>(layer));
  const std::vector<std::int64_t> counts = read_numbers(file, "counts");
  if (layers.empty() || counts.size() != layers.size() * KeySums::kHalves)
    refuse(file, "layers and counts do not fit together");
  require_sums(file, layers, d_ff);
  SumsState state{KeySums(layers, d_ff), {}, 0};
  if (file.metadata().contains("emend.next_point"))
    state.next_point = static_cast<double>(metadata_number(file, "next_point"));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string name = layer_name(layers[i]);
    for (int half = 0; half < KeySums::kHalves; ++half)
      state.sums.half(i, half) = read_half(file, name + kHalfNames[half], d_ff,
                                           counts[i * KeySums::kHalves + static_cast<std::size_t>(half)]);
    if (file.find(name + "probes")) state.probes[layers[i]] = read_probes(file, name + "probes", d_ff);
  }
  return state;
}

fs::path sums_path(const fs::path& folder, SumsKind kind, const std::vector<int>& layers, int shard,
                   int shards) {
  std::string name = fmt::format("{}{}-{}", stem_of(kind), layers.front(), layers.back());
  if (shards > 1) name += fmt::format("_shard_{}_of_{}", shard, shards);
  return folder / (name + ".safetensors");
}

std::vector<fs::path> find_sums(const fs::path& folder, SumsKind kind) {
  std::vector<fs::path> found;
  if (!fs::is_directory(folder)) return found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(stem_of(kind)) && name.ends_with(".safetensors")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace emend
