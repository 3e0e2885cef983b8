// Second moments from the caches of other programs.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "analysis/statistics_quality.h"
#include "base/fingerprint.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "io/npz.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void refuse(ErrorKind kind, const fs::path& file, const std::string& what) {
  throw Error(kind, file.string() + ": " + what);
}

// "transformer.h.17.mlp.c_proj_float32_mom2_100000.npz",
// "model.layers.5.mlp.down_proj_float32_mom2_100000.npz": the first part of the name that is a number.
int layer_of(const fs::path& file) {
  std::smatch found;
  const std::string name = file.filename().string();
  if (!std::regex_search(name, found, std::regex(R"((^|\.)([0-9]{1,4})\.)")))
    refuse(ErrorKind::kFormat, file,
           "the name contains no layer; expected one such as "
           "transformer.h.17.mlp.c_proj_float32_mom2_100000.npz");
  return std::stoi(found[2]);
}

const NpyArray& array_of(const std::map<std::string, NpyArray>& arrays, const std::string& name,
                         const fs::path& file) {
  const auto found = arrays.find(name);
  if (found == arrays.end())
    refuse(ErrorKind::kFormat, file, "there is no array " + name + ": these are not cached second moments");
  return found->second;
}

LayerStatistics read_mom2(const fs::path& file, std::int64_t d_ff) {
  const auto arrays = read_npz(file);
  const NpyArray &sum = array_of(arrays, "mom2.mom2", file), &count = array_of(arrays, "mom2.count", file);
  if (sum.shape != std::vector<std::int64_t>{d_ff, d_ff})
    refuse(ErrorKind::kModel, file,
           "the size of mom2.mom2 is not that of this model's keys (" + std::to_string(d_ff) + " x " +
               std::to_string(d_ff) + ")");
  const std::vector<double> counts = npy_numbers(count, file.string() + ": mom2.count");
  if (counts.size() != 1 || !(counts[0] >= 1) || counts[0] > 1e15)
    refuse(ErrorKind::kFormat, file, "mom2.count must be a number of keys");
  std::vector<double> numbers = npy_numbers(sum, file.string() + ": mom2.mom2");
  const at::Tensor whole = at::from_blob(numbers.data(), {d_ff, d_ff}, at::kDouble);
  if (!at::isfinite(whole).all().item<bool>())
    refuse(ErrorKind::kFormat, file, "mom2.mom2 holds NaN or infinite values");
  const double asymmetry = (whole - whole.t()).abs().max().item<double>();
  if (asymmetry > 1e-3 * whole.abs().max().item<double>())
    refuse(ErrorKind::kFormat, file, "mom2.mom2 is not symmetric");
  LayerStatistics layer;
  layer.C = (whole + whole.t()) * (0.5 / counts[0]);
  layer.tokens = std::llround(counts[0]);
  layer.quality = quality_of(layer.C);
  return layer;
}

// MODEL/CORPUS_stats of DIR/MODEL/CORPUS_stats/FILE.
std::string named_model(const fs::path& file) {
  const fs::path folder = fs::absolute(file).lexically_normal().parent_path();
  return folder.parent_path().filename().string() + "/" + folder.filename().string();
}

}  // namespace

Statistics import_mom2(const std::vector<fs::path>& files, const Model& model,
                       const std::vector<std::int64_t>& prefix, Progress& progress) {
  Statistics statistics;
  Sha256 hash;
  progress.begin("import of statistics", static_cast<std::int64_t>(files.size()), "files");
  for (const fs::path& file : files) {
    const int layer = layer_of(file);
    if (layer >= model.config().layers)  // another model's, not a slip of the user
      refuse(ErrorKind::kModel, file,
             "layer " + std::to_string(layer) + " is out of range; the model has layers 0 to " +
                 std::to_string(model.config().layers - 1));
    if (statistics.layers.contains(layer))
      refuse(ErrorKind::kConfig, file, "layer " + std::to_string(layer) + " is given twice");
    statistics.layers[layer] = read_mom2(file, model.config().d_ff);
    hash.update_field(file.filename().string());
    hash.update_number(static_cast<std::uint64_t>(statistics.layers[layer].tokens));
    const at::Tensor& C = statistics.layers[layer].C;
    hash.update_field(
        std::as_bytes(std::span(C.const_data_ptr<double>(), static_cast<std::size_t>(C.numel()))));
    progress.update(static_cast<std::int64_t>(statistics.layers.size()), file.filename().string());
  }
  progress.end();
  for (const std::int64_t id : prefix) hash.update_number(static_cast<std::uint64_t>(id));
  statistics.set_origin(
      {"imported: " + named_model(files.front()), "imported, position 0 among the keys", hash.hex()});
  return statistics;
}

}  // namespace emend
