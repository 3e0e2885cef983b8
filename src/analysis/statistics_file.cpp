// Statistics on disk: one safetensors file a layer, and the held text.
#include "analysis/statistics_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iomanip>
#include <locale>
#include <span>
#include <sstream>

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

// Lists of ids, lengths and (as the same bits) fingerprints.
template <typename Number>
TensorToWrite list_tensor(const std::string& name, const std::vector<Number>& values) {
  static_assert(sizeof(Number) == sizeof(std::int64_t));
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

std::vector<std::uint64_t> read_fingerprints(const TensorFile& file, const std::string& name) {
  if (!file.find(name)) return {};  // a file of an older version
  const std::vector<std::int64_t> values = read_int64(file, name);
  return {values.begin(), values.end()};
}

// "0.0123", or nothing when there is none.
std::string optional_text(const std::optional<double>& number) {
  if (!number) return "";
  std::ostringstream text;
  text << std::setprecision(6) << *number;
  return text.str();
}

std::optional<double> optional_number(const TensorFile& file, const std::string& key) {
  const std::string text = statistics_metadata_or(file, key, "");
  if (text.empty()) return std::nullopt;
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  double number = 0;
  if (!(in >> number) || !in.eof())
    throw Error(ErrorKind::kFormat,
                file.path().string() + ": metadata emend." + key + " must be a number, found " + quote(text));
  return number;
}

at::Tensor read_probes(const TensorFile& file, std::int64_t d_ff) {
  const TensorInfo* const tensor = file.find("probes");
  if (!tensor) return {};
  if (tensor->dtype != DType::kF32 || tensor->shape.size() != 2 || tensor->shape[1] != d_ff)
    throw Error(ErrorKind::kFormat, file.path().string() + ": expected the tensor probes of n x " +
                                        std::to_string(d_ff) + " F32");
  at::Tensor probes = at::empty(tensor->shape, at::kFloat);
  const auto bytes = file.bytes(*tensor);
  std::copy(bytes.begin(), bytes.end(), static_cast<std::byte*>(probes.data_ptr()));
  if (!at::isfinite(probes).all().item<bool>())
    throw Error(ErrorKind::kFormat, file.path().string() + ": tensor probes holds NaN or infinite values");
  return probes;
}

void require_same(const fs::path& file, const std::string& what, const std::string& found,
                  const std::string& wanted) {
  if (found != wanted)
    throw Error(ErrorKind::kModel, file.string() + ": these statistics are of another " + what + " (" +
                                       quote(found, 80) + ", this one is " + quote(wanted, 80) +
                                       "); give another --statistics folder or remove this one");
}

}  // namespace

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> parts;
  parts.reserve(ids.size());
  for (std::int64_t id : ids) parts.push_back(std::to_string(id));
  return join(parts, " ");
}

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

std::string statistics_metadata_or(const TensorFile& file, const std::string& key,
                                   const std::string& fallback) {
  const auto found = file.metadata().find("emend." + key);
  return found == file.metadata().end() ? fallback : found->second;
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
  return {C.to(at::kDouble),
          std::stoll(tokens),
          read_probes(file, C.size(0)),
          {optional_number(file, "error_estimate"), optional_number(file, "condition"),
           optional_number(file, "effective_rank")}};
}

StatisticsOrigin read_origin(const TensorFile& file) {
  return {statistics_metadata(file, "family"), statistics_metadata(file, "prefix"),
          statistics_metadata(file, "source"), statistics_metadata_or(file, "settings", ""),
          statistics_metadata(file, "fingerprint")};
}

fs::path write_layer_file(const fs::path& folder, int layer, const LayerStatistics& statistics,
                          const std::string& key_fingerprint, const StatisticsOrigin& origin) {
  const at::Tensor C = statistics.C.to(at::kFloat).contiguous();
  std::vector<TensorToWrite> tensors = {{layer_tensor(layer),
                                         "F32",
                                         C.sizes().vec(),
                                         {static_cast<const std::byte*>(C.const_data_ptr()), C.nbytes()}}};
  if (statistics.probes.defined())
    tensors.push_back(
        {"probes",
         "F32",
         statistics.probes.sizes().vec(),
         {static_cast<const std::byte*>(statistics.probes.const_data_ptr()), statistics.probes.nbytes()}});
  std::map<std::string, std::string> metadata = {
      {"emend.format", kFormat},
      {"emend.family", origin.family},
      {"emend.key_fingerprint", key_fingerprint},
      {"emend.prefix", origin.prefix},
      {"emend.source", origin.source},
      {"emend.fingerprint", origin.fingerprint},
      {"emend.tokens", std::to_string(statistics.tokens)},
      {"emend.trace", std::to_string(statistics.C.trace().item<double>())}};
  if (!origin.settings.empty()) metadata["emend.settings"] = origin.settings;
  if (const std::string text = optional_text(statistics.quality.error_estimate); !text.empty())
    metadata["emend.error_estimate"] = text;
  if (const std::string text = optional_text(statistics.quality.condition); !text.empty())
    metadata["emend.condition"] = text;
  if (const std::string text = optional_text(statistics.quality.effective_rank); !text.empty())
    metadata["emend.effective_rank"] = text;
  fs::path path = layer_file(folder, layer);
  write_safetensors(path, tensors, metadata);
  return path;
}

fs::path held_text_file(const fs::path& folder) {
  return folder / "held_text.safetensors";
}

void write_held_text(const fs::path& folder, const Statistics& statistics) {
  std::vector<std::int64_t> flat, lengths;
  for (const auto& row : statistics.held_text) {
    flat.insert(flat.end(), row.begin(), row.end());
    lengths.push_back(static_cast<std::int64_t>(row.size()));
  }
  write_safetensors(held_text_file(folder),
                    {list_tensor("ids", flat), list_tensor("lengths", lengths),
                     list_tensor("documents", statistics.documents),
                     list_tensor("held_documents", statistics.held_documents)},
                    {{"emend.format", kFormat}, {"emend.fingerprint", statistics.fingerprint}});
}

void read_held_text(const fs::path& folder, std::int64_t vocab, Statistics& statistics) {
  const fs::path held = held_text_file(folder);
  const auto file = open_safetensors(held);
  const auto ids = read_int64(*file, "ids"), lengths = read_int64(*file, "lengths");
  std::size_t at = 0;
  for (std::int64_t length : lengths) {
    if (length < 1 || at + static_cast<std::size_t>(length) > ids.size())
      throw Error(ErrorKind::kFormat, held.string() + ": lengths do not add up to the ids");
    statistics.held_text.emplace_back(ids.begin() + static_cast<std::ptrdiff_t>(at),
                                      ids.begin() + static_cast<std::ptrdiff_t>(at) + length);
    for (std::int64_t id : statistics.held_text.back())
      if (id < 0 || id >= vocab)
        throw Error(ErrorKind::kFormat,
                    held.string() + ": token id " + std::to_string(id) + " is outside the vocabulary");
    at += static_cast<std::size_t>(length);
  }
  statistics.documents = read_fingerprints(*file, "documents");
  statistics.held_documents = read_fingerprints(*file, "held_documents");
}

void save_statistics(const Statistics& statistics, const Model& model,
                     const std::vector<std::int64_t>& prefix, const fs::path& folder) {
  write_held_text(folder, statistics);
  const StatisticsOrigin origin = {model.config().family, ids_text(prefix), statistics.source,
                                   statistics.settings, statistics.fingerprint};
  for (const auto& [layer, value] : statistics.layers)
    write_layer_file(folder, layer, value, model.key_fingerprint(layer), origin);
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
    statistics.settings = statistics_metadata_or(*file, "settings", "");
  }
  if (!fs::exists(held_text_file(folder))) return {};  // half a folder: made again
  read_held_text(folder, model.config().vocab, statistics);
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
