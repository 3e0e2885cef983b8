// Statistics on disk: one safetensors file a layer.
#include "analysis/statistics_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cstdint>
#include <iomanip>
#include <locale>
#include <memory>
#include <set>
#include <span>
#include <sstream>
#include <utility>

#include "analysis/moments_in_file.h"
#include "base/strings.h"
#include "emend/error.h"
#include "io/mapped_file.h"
#include "linalg/finite.h"
#include "linalg/spd_factor.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFormat = "1";
const std::string kLayerFile = "layer_";

// Decimal digits only, and few enough for an int.
bool is_layer_number(const std::string& text) {
  constexpr std::size_t kMostDigits = 6;
  return !text.empty() && text.size() <= kMostDigits &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

void set_optional(FileWriter& writer, const std::string& key, const std::optional<double>& number) {
  if (!number) return;
  std::ostringstream text;
  text << std::setprecision(6) << *number;
  writer.set(key, text.str());
}

std::optional<double> optional_number(const TensorFile& file, const std::string& key) {
  const std::string text = metadata_or(file, key, "");
  if (text.empty()) return std::nullopt;
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  double number = 0;
  if (!(in >> number) || !in.eof())
    throw Error(ErrorKind::kFormat, fmt::format("{}: metadata emend.{} must be a number, found {}",
                                                file.path().string(), key, quote(text)));
  return number;
}

at::Tensor read_probes(const TensorFile& file, std::int64_t d_ff) {
  const TensorInfo* const tensor = file.find("probes");
  if (!tensor) return {};
  if (tensor->type->name != "F32" || tensor->shape.size() != 2 || tensor->shape[1] != d_ff)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: expected the tensor probes of n x {} F32", file.path().string(), d_ff));
  const at::Tensor probes = stored_tensor(file, "probes", std::string(tensor->type->name));
  if (!at::isfinite(probes).all().item<bool>())
    throw Error(ErrorKind::kFormat, file.path().string() + ": tensor probes holds NaN or infinite values");
  return probes;
}

void require_same(const fs::path& file, const std::string& what, const std::string& found,
                  const std::string& wanted) {
  if (found != wanted)
    throw Error(ErrorKind::kModel, fmt::format("{}: these statistics are of another {} ({}, this one is {}); "
                                               "give another folder of statistics or remove this one",
                                               file.string(), what, quote(found, 80), quote(wanted, 80)));
}

}  // namespace

fs::path layer_file(const fs::path& folder, int layer) {
  return folder / fmt::format("{}{}.safetensors", kLayerFile, layer);
}

std::string layer_tensor(int layer) {
  return fmt::format("model.layers.{}.C", layer);
}

std::string diagonal_tensor(int layer) {
  return layer_tensor(layer) + "_diagonal";
}

std::map<int, fs::path> find_layer_files(const fs::path& folder) {
  std::map<int, fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    const std::string digits = stem.starts_with(kLayerFile) ? stem.substr(kLayerFile.size()) : "";
    if (entry.path().extension() == ".safetensors" && is_layer_number(digits))
      files[std::stoi(digits)] = entry.path();
  }
  return files;
}

std::map<int, fs::path> layer_files(const fs::path& folder) {
  std::map<int, fs::path> files = find_layer_files(folder);
  if (files.empty())
    throw Error(ErrorKind::kFormat, folder.string() + ": there is no layer_<l>.safetensors in this folder");
  return files;
}

namespace {

// F32 or F64 of so many dimensions, all of the same size; in the memory of the file.
at::Tensor find_moment(const std::shared_ptr<const TensorFile>& file, const std::string& name,
                       std::size_t dimensions, std::optional<std::int64_t> d_ff) {
  const TensorInfo* const tensor = file->find(name);
  const bool readable = tensor && (tensor->type->name == "F32" || tensor->type->name == "F64");
  const bool square =
      readable && tensor->shape.size() == dimensions && tensor->shape.front() == tensor->shape.back();
  if (!square || (d_ff && tensor->shape[0] != *d_ff)) {
    const std::string size = d_ff ? std::to_string(*d_ff) : "N";
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: expected the tensor {} of {} F32 or F64", file->path().string(), name,
                            dimensions == 1 ? size : fmt::format("{} x {}", size, size)));
  }
  const at::Tensor C = tensor_in_file(file, name);
  if (!is_finite(C))
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: tensor {} holds NaN or infinite values", file->path().string(), name));
  return C;
}

// As float64 in memory of its own.
at::Tensor read_moment(const TensorFile& file, const std::string& name, std::size_t dimensions,
                       std::optional<std::int64_t> d_ff) {
  const std::shared_ptr<const TensorFile> here(&file,
                                               [](const TensorFile*) {});  // it outlives C in its memory
  const at::Tensor C = find_moment(here, name, dimensions, d_ff),
                   copy = C.to(at::kDouble, false, /*copy=*/true);
  let_go_of(C);
  return copy;
}

at::Tensor read_diagonal(const TensorFile& file, int layer, std::optional<std::int64_t> d_ff) {
  const at::Tensor diagonal = read_moment(file, diagonal_tensor(layer), 1, d_ff);
  if ((diagonal < 0).any().item<bool>())
    throw Error(ErrorKind::kFormat, fmt::format("{}: tensor {} holds negative values, which means of squares "
                                                "cannot be",
                                                file.path().string(), diagonal_tensor(layer)));
  return diagonal;
}

StatisticsOrigin origin_of(const TensorFile& file) {
  return {metadata_of(file, "source"), metadata_or(file, "settings", ""), metadata_of(file, "fingerprint")};
}

}  // namespace

namespace {

// What the file says beside C.
LayerStatistics with_facts(const TensorFile& file, at::Tensor C) {
  LayerStatistics layer;
  layer.tokens = metadata_number(file, "tokens");
  layer.probes = read_probes(file, C.size(0));
  layer.quality = {optional_number(file, "error_estimate"), optional_number(file, "condition"),
                   optional_number(file, "effective_rank")};
  layer.origin = origin_of(file);
  layer.C = std::move(C);
  return layer;
}

// A diagonal is small: it is copied.
LayerStatistics layer_in_file(const std::shared_ptr<const TensorFile>& file, int layer, std::int64_t d_ff) {
  if (file->find(diagonal_tensor(layer))) return read_layer_statistics(*file, layer, d_ff);
  LayerStatistics found = with_facts(*file, find_moment(file, layer_tensor(layer), 2, d_ff));
  let_go_of(found.C);
  return found;
}

// What keeps the file of a tensor in its memory.
struct FileOfTensor {
  std::shared_ptr<const TensorFile> file;
  std::span<const std::byte> bytes;
};
void release_file(void* kept) {
  delete static_cast<FileOfTensor*>(kept);
}

}  // namespace

at::Tensor tensor_in_file(std::shared_ptr<const TensorFile> file, const std::string& name) {
  const TensorInfo& tensor = *file->find(name);
  const at::ScalarType type = tensor.type->name == "F32" ? at::kFloat : at::kDouble;
  const auto bytes = file->bytes(tensor);
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % c10::elementSize(type) != 0)  // as others may write it
    return stored_tensor(*file, name, std::string(tensor.type->name));
  void* const first = const_cast<std::byte*>(bytes.data());
  at::DataPtr data(first, new FileOfTensor{std::move(file), bytes}, &release_file, at::kCPU);
  const c10::Storage storage(c10::Storage::use_byte_size_t(), bytes.size(), std::move(data));
  at::Tensor made = at::empty({0}, type);
  return made.set_(storage, 0, tensor.shape);
}

void let_go_of(const at::Tensor& C) {
  const at::DataPtr& data = C.storage().data_ptr();
  if (data.get_deleter() == &release_file) drop_pages(static_cast<FileOfTensor*>(data.get_context())->bytes);
}

LayerStatistics read_layer_statistics(const TensorFile& file, int layer, std::optional<std::int64_t> d_ff) {
  return with_facts(file, file.find(diagonal_tensor(layer))
                              ? read_diagonal(file, layer, d_ff)
                              : read_moment(file, layer_tensor(layer), 2, d_ff));
}

fs::path write_layer_file(const fs::path& folder, int layer, const LayerStatistics& statistics,
                          const std::string& key_fingerprint, const TextOrigin& origin) {
  const StatisticsQuality& quality = statistics.quality;
  FileWriter writer;
  writer.add(statistics.is_diagonal() ? diagonal_tensor(layer) : layer_tensor(layer),
             statistics.C.to(at::kFloat));
  if (statistics.probes.defined()) writer.add("probes", statistics.probes);
  writer.set("format", kFormat);
  add_origin(writer, origin);
  writer.set("key_fingerprint", key_fingerprint);
  writer.set("tokens", std::to_string(statistics.tokens));
  writer.set("trace", std::to_string(trace_of(statistics.C)));
  set_optional(writer, "error_estimate", quality.error_estimate);
  set_optional(writer, "condition", quality.condition);
  set_optional(writer, "effective_rank", quality.effective_rank);
  fs::path path = layer_file(folder, layer);
  writer.write(path);
  return path;
}

VisitedText visited_text(const Statistics& statistics) {
  return {statistics.documents, statistics.held_text, statistics.held_documents};
}

void set_text(Statistics& statistics, VisitedText text) {
  statistics.documents = std::move(text.documents);
  statistics.held_text = std::move(text.held_text);
  statistics.held_documents = std::move(text.held_documents);
}

void save_statistics(const Statistics& statistics, const Model& model,
                     const std::vector<std::int64_t>& prefix, const fs::path& folder) {
  std::map<std::string, Collection> made;
  std::vector<int> layers;
  for (const auto& [layer, value] : statistics.layers) {
    layers.push_back(layer);
    made[value.origin.fingerprint] = {value.origin.fingerprint, visited_text(statistics)};
  }
  std::vector<Collection> collections;
  for (auto& [fingerprint, collection] : made) collections.push_back(std::move(collection));
  write_held_text(folder, collections, layers);
  for (const auto& [layer, value] : statistics.layers) {
    const StatisticsOrigin& from = value.origin;
    write_layer_file(folder, layer, value, model.key_fingerprint(layer),
                     {model.config().family, ids_text(prefix), from.source, from.settings, from.fingerprint});
  }
}

namespace {

// Opens the file of a layer. Throws as load_statistics does.
std::unique_ptr<TensorFile> open_layer(const fs::path& path, int layer, const Model& model,
                                       const std::vector<std::int64_t>& prefix) {
  auto file = open_safetensors(path);
  require_same(path, "format", metadata_of(*file, "format"), kFormat);
  require_same(path, "model or tokenizer", metadata_of(*file, "key_fingerprint"),
               model.key_fingerprint(layer));
  require_same(path, "BOS", metadata_of(*file, "prefix"), ids_text(prefix));
  return file;
}

// The text of the collections that the layers come from. Where none of them is known, that of the folder.
void set_text_of_layers(Statistics& statistics, const std::vector<Collection>& collections) {
  std::set<const VisitedText*> chosen;
  for (auto& [layer, value] : statistics.layers) {
    value.documents_known = false;
    for (const Collection& collection : collections)
      if (collection.fingerprint.empty() || collection.fingerprint == value.origin.fingerprint) {
        chosen.insert(&collection.text);
        value.documents_known = true;
      }
  }
  std::vector<const VisitedText*> texts;
  for (const Collection& collection : collections)
    if (chosen.empty() || chosen.contains(&collection.text)) texts.push_back(&collection.text);
  set_text(statistics, text_of_all(texts));
}

// read(file, layer): what the file of a layer holds.
template <typename Read>
Statistics load_layers(const Model& model, const std::vector<int>& layers,
                       const std::vector<std::int64_t>& prefix, const fs::path& folder, Read read) {
  Statistics statistics;
  for (int layer : layers) {
    const fs::path path = layer_file(folder, layer);
    if (!fs::exists(path)) return {};
    statistics.layers[layer] = read(open_layer(path, layer, model, prefix), layer);
  }
  if (!fs::exists(held_text_file(folder))) return {};  // half a folder: to be collected again
  set_text_of_layers(statistics, read_held_text(folder, model.config().vocab));
  return statistics;
}

}  // namespace

Statistics load_statistics(const Model& model, const std::vector<int>& layers,
                           const std::vector<std::int64_t>& prefix, const fs::path& folder) {
  return load_layers(model, layers, prefix, folder, [&](std::unique_ptr<TensorFile> file, int layer) {
    return read_layer_statistics(*file, layer, model.config().d_ff);
  });
}

Statistics load_statistics_in_file(const Model& model, const std::vector<int>& layers,
                                   const std::vector<std::int64_t>& prefix, const fs::path& folder) {
  return load_layers(model, layers, prefix, folder, [&](std::unique_ptr<TensorFile> file, int layer) {
    return layer_in_file(std::move(file), layer, model.config().d_ff);
  });
}

std::map<int, StatisticsOrigin> load_origins(const Model& model, const std::vector<int>& layers,
                                             const std::vector<std::int64_t>& prefix,
                                             const fs::path& folder) {
  std::map<int, StatisticsOrigin> origins;
  for (const int layer : layers) {
    const fs::path path = layer_file(folder, layer);
    if (fs::exists(path)) origins[layer] = origin_of(*open_layer(path, layer, model, prefix));
  }
  return origins;
}

std::string default_folder_ending(const Model& model, const std::vector<std::int64_t>& prefix) {
  std::string ending = "-" + model.fingerprint().substr(0, 12);
  if (!prefix.empty()) ending += "-bos";
  for (const std::int64_t id : prefix) ending += fmt::format("-{}", id);
  return ending;
}

fs::path default_statistics_folder(const Model& model, const std::vector<std::int64_t>& prefix) {
  const fs::path path = fs::absolute(model.path()).lexically_normal();
  const fs::path clean = path.has_filename() ? path : path.parent_path();
  return clean.parent_path() / "stats" / (clean.stem().string() + default_folder_ending(model, prefix));
}

}  // namespace emend
