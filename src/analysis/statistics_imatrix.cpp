// Importance matrices of llama.cpp as diagonals of C, and the other way round.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/statistics_file.h"
#include "analysis/statistics_quality.h"
#include "base/fingerprint.h"
#include "base/folder_kind.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "io/imatrix.h"
#include "io/output_check.h"
#include "model/role_table.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

// "blk.4.ffn_down.weight"
std::string gguf_name(int layer) {
  std::string name = role_info(Role::kMlpDown).gguf;
  const std::string block = "{l}";
  return name.replace(name.find(block), block.size(), std::to_string(layer));
}

LayerStatistics read_layer(const Imatrix& imatrix, int layer, std::int64_t d_ff) {
  const std::string name = gguf_name(layer);
  LayerStatistics statistics;
  statistics.C = at::tensor(imatrix_diagonal(imatrix, name, d_ff), at::kDouble);
  if (!(statistics.C.max().item<double>() > 0))
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: all sums of {} are 0", imatrix.file.string(), quote(name)));
  statistics.tokens = imatrix.entries.at(name).counts.front();
  statistics.quality = quality_of(statistics.C);
  return statistics;
}

std::string source_of(const Imatrix& imatrix) {
  const std::string name = "imported: imatrix " + imatrix.file.filename().string();
  return imatrix.datasets.empty() ? name : fmt::format("{} of {}", name, join(imatrix.datasets));
}

// Files that emend wrote say how the keys were collected.
std::string settings_of(const Imatrix& imatrix) {
  const std::string imported = "imported diagonal, ";
  if (!imatrix.settings) return imported + "the first position of every chunk among the keys";
  return imatrix.settings->starts_with(imported) ? *imatrix.settings : imported + *imatrix.settings;
}

// Of the file's name, the numbers and the prefix.
std::string fingerprint_of(const Statistics& statistics, const Imatrix& imatrix,
                           const std::vector<std::int64_t>& prefix) {
  Sha256 hash;
  hash.update_field(imatrix.file.filename().string());
  for (const auto& [layer, value] : statistics.layers) {
    hash.update_number(static_cast<std::uint64_t>(value.tokens));
    hash.update_field(std::as_bytes(
        std::span(value.C.const_data_ptr<double>(), static_cast<std::size_t>(value.C.numel()))));
  }
  for (const std::int64_t id : prefix) hash.update_number(static_cast<std::uint64_t>(id));
  return hash.hex();
}

// tokens * diag(C), for the number of tokens that float32 holds.
ImatrixEntry entry_of(const LayerStatistics& layer, const fs::path& file) {
  const auto tokens = static_cast<float>(layer.tokens);
  const at::Tensor diagonal = layer.is_diagonal() ? layer.C : layer.C.diagonal();
  const at::Tensor sums = (diagonal * static_cast<double>(tokens)).to(at::kFloat).contiguous();
  if (layer.tokens < 1 || !(at::isfinite(sums) & (sums >= 0)).all().item<bool>())
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: {} tokens and the diagonal of C make no sums of squares in "
                            "float32",
                            file.string(), layer.tokens));
  const float* const numbers = sums.const_data_ptr<float>();
  return {{numbers, numbers + sums.numel()}, {static_cast<std::int64_t>(tokens)}};
}

}  // namespace

Statistics import_imatrix(const fs::path& file, const Model& model, const std::vector<std::int64_t>& prefix) {
  const Imatrix imatrix = read_imatrix(file);
  require_imatrix_of(imatrix, model.config().layers);
  Statistics statistics;
  for (int layer = 0; layer < model.config().layers; ++layer)
    statistics.layers[layer] = read_layer(imatrix, layer, model.config().d_ff);
  statistics.set_origin(
      {source_of(imatrix), settings_of(imatrix), fingerprint_of(statistics, imatrix, prefix)});
  return statistics;
}

std::vector<int> export_imatrix(const fs::path& folder, const fs::path& out) {
  constexpr std::int64_t kChunk = 512;  // as llama-imatrix's default
  require_ending(out, OutputForm::kGguf);
  require_folder(folder, kStatisticsFolder);
  Imatrix imatrix;
  std::vector<int> layers;
  std::map<int, std::string> settings;
  std::int64_t most_tokens = 0;
  for (const auto& [layer, path] : layer_files(folder)) {
    const auto file = open_safetensors(path);
    const LayerStatistics statistics = read_layer_statistics(*file, layer);
    imatrix.entries[gguf_name(layer)] = entry_of(statistics, path);
    most_tokens = std::max(most_tokens, statistics.tokens);
    const StatisticsOrigin& from = statistics.origin;
    if (std::find(imatrix.datasets.begin(), imatrix.datasets.end(), from.source) == imatrix.datasets.end())
      imatrix.datasets.push_back(from.source);
    settings[layer] = from.settings.empty() ? "position 0 left out" : from.settings;
    layers.push_back(layer);
  }
  imatrix.settings = text_by_layer(settings);
  imatrix.chunk_size = kChunk;
  imatrix.chunk_count = (most_tokens + kChunk - 1) / kChunk;
  write_imatrix(out, imatrix);
  return layers;
}

}  // namespace emend
