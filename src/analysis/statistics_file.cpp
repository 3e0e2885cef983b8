// Statistics on disk: one safetensors file a layer, and the held text.
#include "analysis/statistics_file.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "analysis/statistics_fingerprint.h"
#include "base/fingerprint.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "1";
const std::string kLayerFile = "layer_";

// Decimal digits only, and not more than fit.
bool is_number(const std::string& text, std::size_t most_digits) {
  return !text.empty() && text.size() <= most_digits &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> parts;
  for (std::int64_t id : ids) parts.push_back(std::to_string(id));
  return join(parts, " ");
}

TensorToWrite int64_tensor(const std::string& name, const std::vector<std::int64_t>& values) {
  return {name, "I64", {static_cast<std::int64_t>(values.size())}, std::as_bytes(std::span(values))};
}

std::vector<std::int64_t> read_int64(const TensorFile& file, const std::string& name) {
  const TensorInfo* tensor = file.find(name);
  if (!tensor || tensor->dtype_name != "I64")
    throw Error(ErrorKind::kFormat, file.path().string() + ": the I64 tensor " + name + " is missing");
  std::vector<std::int64_t> values(static_cast<std::size_t>(tensor->elements()));
  const auto bytes = file.bytes(*tensor);
  std::copy(bytes.begin(), bytes.end(), std::as_writable_bytes(std::span(values)).begin());
  return values;
}

void require_same(const fs::path& file, const std::string& what, const std::string& found,
                  const std::string& wanted) {
  if (found != wanted)
    throw Error(ErrorKind::kModel, file.string() + ": these statistics are of another " + what + " (" +
                                       quote(found, 80) + ", this one is " + quote(wanted, 80) +
                                       "); give another --statistics folder or remove this one");
}

}  // namespace

fs::path layer_file(const fs::path& folder, int layer) {
  return folder / (kLayerFile + std::to_string(layer) + ".safetensors");
}

std::string layer_tensor(int layer) {
  return "model.layers." + std::to_string(layer) + ".C";
}

std::map<int, fs::path> layer_files(const fs::path& folder) {
  constexpr std::size_t kMostDigits = 6;
  std::map<int, fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    const std::string digits = stem.starts_with(kLayerFile) ? stem.substr(kLayerFile.size()) : "";
    if (entry.path().extension() == ".safetensors" && is_number(digits, kMostDigits))
      files[std::stoi(digits)] = entry.path();
  }
  if (files.empty())
    throw Error(ErrorKind::kFormat, folder.string() + ": there is no layer_<l>.safetensors in this folder");
  return files;
}

std::string statistics_metadata(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata().find("emend." + key);
  if (found == file.metadata().end())
    throw Error(ErrorKind::kFormat, file.path().string() + ": the metadata key emend." + key +
                                        " is missing; this is not a statistics file");
  return found->second;
}

LayerStatistics read_layer_statistics(const TensorFile& file, int layer, std::optional<std::int64_t> d_ff) {
  const std::string name = layer_tensor(layer);
  const TensorInfo* const tensor = file.find(name);
  const bool readable = tensor && (tensor->dtype == DType::kF32 || tensor->dtype == DType::kF64);
  const bool square = readable && tensor->shape.size() == 2 && tensor->shape[0] == tensor->shape[1];
  if (!square || (d_ff && tensor->shape[0] != *d_ff)) {
    const std::string size = d_ff ? std::to_string(*d_ff) : "N";
    throw Error(ErrorKind::kFormat, file.path().string() + ": expected the tensor " + name + " of " + size +
                                        " x " + size + " F32 or F64");
  }
  at::Tensor C = at::empty(tensor->shape, tensor->dtype == DType::kF64 ? at::kDouble : at::kFloat);
  const auto bytes = file.bytes(*tensor);
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(C.data_ptr()));
  if (!at::isfinite(C).all().item<bool>())
    throw Error(ErrorKind::kFormat,
                file.path().string() + ": tensor " + name + " holds NaN or infinite values");
  constexpr std::size_t kMostDigits = 18;
  const std::string tokens = statistics_metadata(file, "tokens");
  if (!is_number(tokens, kMostDigits))
    throw Error(ErrorKind::kFormat,
                file.path().string() + ": metadata emend.tokens must be a number, found " + quote(tokens));
  return {C.to(at::kDouble), std::stoll(tokens)};
}

std::string statistics_fingerprint(const Model& model, const StatisticsOptions& options, std::int64_t tokens,
                                   const std::string& corpus) {
  Sha256 hash;
  for (int layer : options.layers) hash.update_field(model.key_fingerprint(layer));
  hash.update_field(ids_text(options.prefix));
  hash.update_field(corpus);
  hash.update_field(std::to_string(options.seed) + " " + std::to_string(tokens));
  return hash.hex();
}

void save_statistics(const Statistics& statistics, const Model& model,
                     const std::vector<std::int64_t>& prefix, const fs::path& folder) {
  std::vector<std::int64_t> flat, lengths;
  for (const auto& row : statistics.held_text) {
    flat.insert(flat.end(), row.begin(), row.end());
    lengths.push_back(static_cast<std::int64_t>(row.size()));
  }
  write_safetensors(folder / "held_text.safetensors",
                    {int64_tensor("ids", flat), int64_tensor("lengths", lengths)},
                    {{"emend.format", kFormat}, {"emend.fingerprint", statistics.fingerprint}});
  for (const auto& [layer, value] : statistics.layers) {
    const at::Tensor C = value.C.to(at::kFloat).contiguous();
    const TensorToWrite tensor = {layer_tensor(layer),
                                  "F32",
                                  C.sizes().vec(),
                                  {static_cast<const std::byte*>(C.const_data_ptr()), C.nbytes()}};
    write_safetensors(layer_file(folder, layer), {tensor},
                      {{"emend.format", kFormat},
                       {"emend.family", model.config().family},
                       {"emend.key_fingerprint", model.key_fingerprint(layer)},
                       {"emend.prefix", ids_text(prefix)},
                       {"emend.source", statistics.source},
                       {"emend.fingerprint", statistics.fingerprint},
                       {"emend.tokens", std::to_string(value.tokens)},
                       {"emend.trace", std::to_string(value.C.trace().item<double>())}});
  }
}

Statistics load_statistics(const Model& model, const std::vector<int>& layers,
                           const std::vector<std::int64_t>& prefix, const fs::path& folder) {
  Statistics statistics;
  for (int layer : layers) {
    const fs::path path = layer_file(folder, layer);
    if (!fs::exists(path)) return {};
    const auto file = open_safetensors(path);
    require_same(path, "format", statistics_metadata(*file, "format"), kFormat);
    require_same(path, "model or tokenizer", statistics_metadata(*file, "key_fingerprint"),
                 model.key_fingerprint(layer));
    require_same(path, "BOS", statistics_metadata(*file, "prefix"), ids_text(prefix));
    statistics.layers[layer] = read_layer_statistics(*file, layer, model.config().d_ff);
    statistics.source = statistics_metadata(*file, "source");
    statistics.fingerprint = statistics_metadata(*file, "fingerprint");
  }
  const fs::path held = folder / "held_text.safetensors";
  if (!fs::exists(held)) return {};  // half a folder: made again
  const auto file = open_safetensors(held);
  const auto ids = read_int64(*file, "ids"), lengths = read_int64(*file, "lengths");
  std::size_t at = 0;
  for (std::int64_t length : lengths) {
    if (length < 1 || at + static_cast<std::size_t>(length) > ids.size())
      throw Error(ErrorKind::kFormat, held.string() + ": lengths do not add up to the ids");
    statistics.held_text.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                      ids.begin() + static_cast<std::ptrdiff_t>(at) + length);
    for (std::int64_t id : statistics.held_text.back())
      if (id < 0 || id >= model.config().vocab)
        throw Error(ErrorKind::kFormat,
                    held.string() + ": token id " + std::to_string(id) + " is outside the vocabulary");
    at += static_cast<std::size_t>(length);
  }
  return statistics;
}

fs::path default_statistics_folder(const Model& model, const std::vector<std::int64_t>& prefix) {
  const fs::path path = fs::absolute(model.path()).lexically_normal();
  const fs::path clean = path.has_filename() ? path : path.parent_path();
  std::string name = clean.stem().string() + "-" + model.fingerprint().substr(0, 12);
  if (!prefix.empty()) name += "-bos";
  for (const std::int64_t id : prefix) name += "-" + std::to_string(id);
  return clean.parent_path() / "stats" / name;
}

}  // namespace emend
