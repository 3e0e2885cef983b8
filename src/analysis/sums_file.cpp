#include "analysis/sums_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/tensor_file.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "1";
constexpr std::int64_t kMostDimensions = 1 << 20;
constexpr const char* kHalfNames[] = {"a", "b"};

std::string stem_of(SumsKind kind) {
  return kind == SumsKind::kCheckpoint ? "checkpoint_" : "sums_";
}

TensorToWrite tensor_to_write(const std::string& name, const std::string& type, const at::Tensor& tensor) {
  return {name,
          type,
          tensor.sizes().vec(),
          {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()}};
}

template <typename Number>
TensorToWrite list_to_write(const std::string& name, const std::vector<Number>& values) {
  return {name, "I64", {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
}

[[noreturn]] void refuse(const TensorFile& file, const std::string& what) {
  throw Error(ErrorKind::kFormat, file.path().string() + ": " + what);
}

std::int64_t number(const TensorFile& file, const std::string& key) {
  const std::string text = statistics_metadata(file, key);
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos)
    refuse(file, "metadata emend." + key + " must be a number, found " + quote(text));
  return std::stoll(text);
}

at::Tensor read_tensor(const TensorFile& file, const std::string& name, const std::string& type,
                       at::ScalarType scalar) {
  const TensorInfo* const info = file.find(name);
  if (!info || info->dtype_name != type) refuse(file, "the " + type + " tensor " + name + " is missing");
  at::Tensor tensor = at::empty(info->shape, scalar);
  const auto bytes = file.bytes(*info);
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(tensor.data_ptr()));
  return tensor;
}

template <typename Number>
std::vector<Number> read_list(const TensorFile& file, const std::string& name) {
  const at::Tensor values = read_tensor(file, name, "I64", at::kLong);
  const auto* const data = values.const_data_ptr<std::int64_t>();
  return std::vector<Number>(data, data + values.numel());
}

RunIdentity read_identity(const TensorFile& file) {
  RunIdentity run;
  run.origin = read_origin(file);
  run.corpus = statistics_metadata(file, "corpus");
  run.seed = statistics_metadata(file, "seed");
  run.tokens = statistics_metadata(file, "tokens");
  if (file.metadata().contains("emend.block_tokens"))
    run.block_tokens = statistics_metadata(file, "block_tokens");
  run.shard = static_cast<int>(number(file, "shard"));
  run.shards = static_cast<int>(number(file, "shards"));
  return run;
}

}  // namespace

std::map<std::string, std::string> RunIdentity::metadata() const {
  return {{"emend.family", origin.family},
          {"emend.prefix", origin.prefix},
          {"emend.source", origin.source},
          {"emend.settings", origin.settings},
          {"emend.fingerprint", origin.fingerprint},
          {"emend.corpus", corpus},
          {"emend.seed", seed},
          {"emend.tokens", tokens},
          {"emend.block_tokens", block_tokens},
          {"emend.shard", std::to_string(shard)},
          {"emend.shards", std::to_string(shards)}};
}

std::optional<std::string> RunIdentity::difference(const RunIdentity& other) const {
  const auto part = [](const RunIdentity& run) {
    return std::to_string(run.shard) + "/" + std::to_string(run.shards);
  };
  const std::vector<std::array<std::string, 3>> rows = {{"BOS", origin.prefix, other.origin.prefix},
                                                        {"settings", origin.settings, other.origin.settings},
                                                        {"seed", seed, other.seed},
                                                        {"number of tokens", tokens, other.tokens},
                                                        {"block size", block_tokens, other.block_tokens},
                                                        {"shard", part(*this), part(other)},
                                                        {"text", corpus, other.corpus}};
  for (const auto& [name, here, there] : rows)
    if (here != there) return "the " + name + " (" + quote(there, 80) + ", here " + quote(here, 80) + ")";
  return std::nullopt;
}

fs::path sums_path(const fs::path& folder, SumsKind kind, const std::vector<int>& layers, int shard,
                   int shards) {
  std::string name = stem_of(kind) + std::to_string(layers.front()) + "-" + std::to_string(layers.back());
  if (shards > 1) name += "_shard_" + std::to_string(shard) + "_of_" + std::to_string(shards);
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

void save_sums(const fs::path& path, const SumsFile& file, const KeySums& sums) {
  std::vector<TensorToWrite> tensors;
  std::map<std::string, std::string> metadata = file.run.metadata();
  metadata["emend.format"] = kFormat;
  metadata["emend.d_ff"] = std::to_string(sums.d_ff());
  metadata["emend.panel"] = std::to_string(MomentSum::kPanel);
  metadata["emend.blocks_done"] = std::to_string(file.blocks_done);
  metadata["emend.next_point"] = std::to_string(static_cast<std::int64_t>(std::ceil(file.next_point)));
  std::vector<std::int64_t> layers, lengths, flat, counts;
  std::vector<at::Tensor> held;  // keeps the bytes of `tensors`
  for (std::size_t i = 0; i < sums.layers().size(); ++i) {
    const int layer = sums.layers()[i];
    layers.push_back(layer);
    metadata["emend.key_fingerprint." + std::to_string(layer)] = file.key_fingerprints.at(layer);
    for (int half = 0; half < KeySums::kHalves; ++half) {
      held.push_back(sums.half(i, half).packed());
      counts.push_back(sums.half(i, half).count());
      tensors.push_back(
          tensor_to_write("layer." + std::to_string(layer) + "." + kHalfNames[half], "F64", held.back()));
    }
    if (const auto probes = file.probes.find(layer); probes != file.probes.end())
      tensors.push_back(tensor_to_write("layer." + std::to_string(layer) + ".probes", "F32", probes->second));
  }
  for (const auto& row : file.text.held_text) {
    flat.insert(flat.end(), row.begin(), row.end());
    lengths.push_back(static_cast<std::int64_t>(row.size()));
  }
  tensors.push_back(list_to_write("layers", layers));
  tensors.push_back(list_to_write("counts", counts));
  tensors.push_back(list_to_write("documents", file.text.documents));
  tensors.push_back(list_to_write("held.ids", flat));
  tensors.push_back(list_to_write("held.lengths", lengths));
  tensors.push_back(list_to_write("held.documents", file.text.held_documents));
  write_safetensors(path, tensors, metadata);
}

LoadedSums load_sums(const fs::path& path) {
  const auto file = open_safetensors(path);
  if (statistics_metadata(*file, "format") != kFormat)
    refuse(*file, "these sums are of another version of the format");
  if (number(*file, "panel") != MomentSum::kPanel) refuse(*file, "these sums are packed in another way");
  const std::int64_t d_ff = number(*file, "d_ff");
  if (d_ff < 1 || d_ff > kMostDimensions)
    refuse(*file, "emend.d_ff of " + std::to_string(d_ff) + " is no key's dimension");
  const std::int64_t packed = MomentSum::packed_elements(d_ff);
  std::vector<int> layers;
  for (const std::int64_t layer : read_list<std::int64_t>(*file, "layers"))
    layers.push_back(static_cast<int>(layer));
  const auto counts = read_list<std::int64_t>(*file, "counts");
  if (layers.empty() || counts.size() != layers.size() * KeySums::kHalves)
    refuse(*file, "layers and counts do not fit together");
  for (const int layer : layers)  // before anything of that size is made
    for (const char* half : kHalfNames) {
      const std::string name = "layer." + std::to_string(layer) + "." + half;
      const TensorInfo* const info = file->find(name);
      if (!info || info->elements() != packed)
        refuse(*file, "the tensor " + name + " is not a sum of keys of " + std::to_string(d_ff));
    }
  LoadedSums loaded{{}, KeySums(layers, d_ff)};
  loaded.file.run = read_identity(*file);
  loaded.file.blocks_done = number(*file, "blocks_done");
  if (file->metadata().contains("emend.next_point"))
    loaded.file.next_point = static_cast<double>(number(*file, "next_point"));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string name = "layer." + std::to_string(layers[i]);
    for (int half = 0; half < KeySums::kHalves; ++half) {
      const at::Tensor sum = read_tensor(*file, name + "." + kHalfNames[half], "F64", at::kDouble);
      if (sum.numel() != packed || !at::isfinite(sum).all().item<bool>())
        refuse(*file, "the tensor " + name + "." + kHalfNames[half] + " is not a sum of keys of " +
                          std::to_string(d_ff));
      loaded.sums.half(i, half) =
          MomentSum::from_packed(d_ff, counts[i * KeySums::kHalves + static_cast<std::size_t>(half)], sum);
    }
    loaded.file.key_fingerprints[layers[i]] =
        statistics_metadata(*file, "key_fingerprint." + std::to_string(layers[i]));
    if (file->find(name + ".probes")) {
      const at::Tensor probes = read_tensor(*file, name + ".probes", "F32", at::kFloat);
      if (probes.dim() != 2 || probes.size(1) != d_ff)
        refuse(*file, "the tensor " + name + ".probes has another shape");
      loaded.file.probes[layers[i]] = probes;
    }
  }
  Statistics& text = loaded.file.text;
  text.documents = read_list<std::uint64_t>(*file, "documents");
  text.held_documents = read_list<std::uint64_t>(*file, "held.documents");
  const auto ids = read_list<std::int64_t>(*file, "held.ids"),
             lengths = read_list<std::int64_t>(*file, "held.lengths");
  std::size_t at = 0;
  for (const std::int64_t length : lengths) {
    if (length < 1 || static_cast<std::uint64_t>(length) > ids.size() - at)
      refuse(*file, "held.lengths do not add up to held.ids");
    text.held_text.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                ids.begin() + static_cast<std::ptrdiff_t>(at) + length);
    at += static_cast<std::size_t>(length);
  }
  return loaded;
}

}  // namespace emend
