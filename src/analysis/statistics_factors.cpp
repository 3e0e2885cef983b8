#include "analysis/statistics_factors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>

#include "analysis/moments_in_file.h"
#include "analysis/text_file.h"
#include "base/files.h"
#include "base/xxh3_stream.h"
#include "emend/error.h"
#include "emend/tensor_file.h"
#include "io/mapped_file.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "1";
constexpr const char* kFactor = "factor";
constexpr const char* kSpectrum = "spectrum";
constexpr const char* kProjector = "projector";

fs::path file_of(const fs::path& folder, const char* kind, int layer) {
  return folder / fmt::format("{}_{}.safetensors", kind, layer);
}

// Of its elements as float64, some rows at a time: no more of a C in its file is in memory.
std::string digest_of(const at::Tensor& C) {
  constexpr std::int64_t kRows = 256;
  Xxh3Stream digest;
  for (std::int64_t begin = 0; begin < C.size(0); begin += kRows) {
    const std::int64_t rows = std::min(kRows, C.size(0) - begin);
    const at::Tensor strip = C.narrow(0, begin, rows).to(at::kCPU, at::kDouble).contiguous();
    digest.update({static_cast<const std::byte*>(strip.const_data_ptr()), strip.nbytes()});
    let_go_of(C);
  }
  return digest.hex();
}

// A number in all its bits.
std::string exact(double number) {
  return fmt::format("{:016x}", std::bit_cast<std::uint64_t>(number));
}
double from_exact(const std::string& text) {
  return std::bit_cast<double>(static_cast<std::uint64_t>(std::stoull(text, nullptr, 16)));
}

std::string panel_name(std::size_t panel) {
  return fmt::format("panel.{}", panel);
}
constexpr const char* kByColumns = ".by_columns";  // of a name: the tensor is the panel's transpose

// A panel lies in memory again as it did: the order of a product's sums may follow that.
void add_panel(FileWriter& writer, const std::string& name, const at::Tensor& panel) {
  const bool by_columns = !panel.is_contiguous() && panel.t().is_contiguous();
  writer.add(by_columns ? name + kByColumns : name, by_columns ? panel.t() : panel);
}

// The tensor of this panel and whether that is the panel's transpose. Throws Error(kFormat) if it is not
// there.
struct PanelInFile {
  const TensorInfo* tensor = nullptr;
  bool by_columns = false;
};
PanelInFile find_panel(const TensorFile& file, std::size_t panel) {
  const std::string name = panel_name(panel);
  const TensorInfo* const by_columns = file.find(name + kByColumns);
  const TensorInfo* const found = by_columns != nullptr ? by_columns : file.find(name);
  if (found == nullptr || found->type->name != "F64" || found->shape.size() != 2)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: the F64 tensor {} is missing", file.path().string(), name));
  return {found, by_columns != nullptr};
}

// Copied in portions whose pages are given back, lest file and copy count twice. A copy, since the sums of a
// product may follow where in memory its factors begin.
at::Tensor read_panel(const TensorFile& file, const PanelInFile& panel) {
  constexpr std::size_t kPortion = std::size_t{1} << 24;
  at::Tensor read = at::empty(panel.tensor->shape, at::kDouble);
  auto* to = static_cast<std::byte*>(read.data_ptr());
  const std::span<const std::byte> bytes = file.bytes(*panel.tensor);
  for (std::size_t begin = 0; begin < bytes.size(); begin += kPortion) {
    const auto portion = bytes.subspan(begin, std::min(kPortion, bytes.size() - begin));
    to = std::copy(portion.begin(), portion.end(), to);
    drop_pages(portion);
  }
  return panel.by_columns ? read.t() : read;
}

// Writes the file if there is room for it twice, and says whether it did.
bool write(const FileWriter& writer, const fs::path& file, std::uint64_t bytes) {
  try {
    require_writable_file(file);
    require_space(file.parent_path(), 2 * bytes);
    writer.write(file);
    return true;
  } catch (const Error&) {
    return false;  // the next program makes it again
  }
}

FileWriter begin_file(const char* kind, int layer, const at::Tensor& C) {
  FileWriter writer;
  writer.set("format", kFormat);
  writer.set("kind", kind);
  writer.set("layer", std::to_string(layer));
  writer.set("moments", digest_of(C));
  return writer;
}

// Calls read(file) if the file is of this kind and version; nullptr if it is not, or broken.
template <typename Result, typename Read>
std::shared_ptr<const Result> try_read(const fs::path& path, const char* kind, Read read) {
  if (!fs::exists(path)) return nullptr;
  try {
    const std::shared_ptr<const TensorFile> file = open_safetensors(path);
    if (metadata_of(*file, "format") != kFormat || metadata_of(*file, "kind") != kind) return nullptr;
    return read(file);
  } catch (const Error&) {
    return nullptr;
  } catch (const std::logic_error&) {  // a number that is none
    return nullptr;
  }
}

// Those of a factor of n rows; none if others lie there.
std::vector<PanelInFile> panels_of(const TensorFile& file, std::int64_t n) {
  std::vector<PanelInFile> panels;
  for (std::int64_t row = 0; row < n; row += CholeskyPanels::kColumns) {
    std::vector<std::int64_t> shape = {n - row, std::min(CholeskyPanels::kColumns, n - row)};
    const PanelInFile panel = find_panel(file, panels.size());
    if (panel.by_columns) std::swap(shape[0], shape[1]);
    if (panel.tensor->shape != shape) return {};
    panels.push_back(panel);
  }
  return panels;
}

std::shared_ptr<const SpdFactor> read_factor(const std::shared_ptr<const TensorFile>& file, std::int64_t n,
                                             const at::Device& device) {
  SpdInfo info;
  info.ridge = from_exact(metadata_of(*file, "ridge"));
  info.condition = from_exact(metadata_of(*file, "condition"));
  const std::string of_moment = metadata_or(*file, "condition_of_moment", "");
  if (!of_moment.empty()) info.condition_of_moment = from_exact(of_moment);
  const std::vector<PanelInFile> panels = panels_of(*file, n);
  if (panels.empty()) return nullptr;
  if (device.is_cpu() && panels.size() > 1)
    return std::make_shared<const SpdFactor>(
        n, [file, panels](std::size_t j) { return read_panel(*file, panels[j]); }, info);
  std::vector<at::Tensor> read;
  for (const PanelInFile& panel : panels) read.push_back(read_panel(*file, panel).to(device));
  return std::make_shared<const SpdFactor>(std::move(read), info);
}

}  // namespace

std::string moment_identity(const Statistics& statistics, int layer) {
  const std::string made_from = statistics.fingerprint({layer});
  return made_from.empty() ? "" : fmt::format("{} {}", made_from, layer);
}

StatisticsStore::Conditions known_conditions(const Statistics& statistics, const KeyFactors& factors) {
  StatisticsStore::Conditions conditions;
  for (const auto& [layer, its] : statistics.layers)
    if (const auto known = factors.condition(moment_identity(statistics, layer)))
      conditions[layer] = known->value;
  return conditions;
}

bool StatisticsFactors::is_worth_it(const at::Tensor& C) const {
  return !is_diagonal(C) && C.size(0) >= least_size_;
}

std::shared_ptr<const SpdFactor> StatisticsFactors::load_factor(int layer, const at::Tensor& C,
                                                                double relative_ridge,
                                                                const at::Device& device) {
  if (!is_worth_it(C)) return nullptr;
  return try_read<SpdFactor>(file_of(folder_, kFactor, layer), kFactor, [&](const auto& file) {
    const bool same = metadata_of(*file, "relative_ridge") == exact(relative_ridge) &&
                      metadata_of(*file, "device") == c10::DeviceTypeName(device.type(), true) &&
                      metadata_of(*file, "moments") == digest_of(C);
    return same ? read_factor(file, C.size(0), device) : nullptr;
  });
}

std::shared_ptr<const Spectrum> StatisticsFactors::load_spectrum(int layer, const at::Tensor& C,
                                                                 const at::Device& device) {
  if (!is_worth_it(C)) return nullptr;
  using Found = std::shared_ptr<const Spectrum>;
  return try_read<Spectrum>(file_of(folder_, kSpectrum, layer), kSpectrum, [&](const auto& file) {
    const std::int64_t n = C.size(0);
    const bool same = metadata_or(*file, "device", "cpu") == c10::DeviceTypeName(device.type(), true) &&
                      metadata_of(*file, "moments") == digest_of(C);
    if (!same) return Found();
    Spectrum spectrum{stored_tensor(*file, "values", "F64"),
                      stored_tensor(*file, "vectors", "F64").to(device)};
    const bool fits = spectrum.values.numel() == n && spectrum.vectors.dim() == 2 &&
                      spectrum.vectors.size(0) == n && spectrum.vectors.size(1) == n;
    if (!fits) return Found();
    return std::make_shared<const Spectrum>(std::move(spectrum));
  });
}

std::shared_ptr<const SpectralProjector> StatisticsFactors::load_projector(int layer, const at::Tensor& C,
                                                                           double threshold,
                                                                           const at::Device& device) {
  if (!is_worth_it(C)) return nullptr;
  using Found = std::shared_ptr<const SpectralProjector>;
  return try_read<SpectralProjector>(file_of(folder_, kProjector, layer), kProjector, [&](const auto& file) {
    const bool same = metadata_of(*file, "threshold") == exact(threshold) &&
                      metadata_of(*file, "device") == c10::DeviceTypeName(device.type(), true) &&
                      metadata_of(*file, "moments") == digest_of(C);
    if (!same) return Found();
    SpectralProjector projector{stored_tensor(*file, "projector", "F64").to(device),
                                static_cast<std::int64_t>(metadata_number(*file, "rank")),
                                from_exact(metadata_of(*file, "energy"))};
    if (projector.P.sizes() != C.sizes()) return Found();
    return std::make_shared<const SpectralProjector>(std::move(projector));
  });
}

std::shared_ptr<const SpdFactor> StatisticsFactors::save(int layer, const at::Tensor& C,
                                                         double relative_ridge,
                                                         std::shared_ptr<const SpdFactor> factor) {
  const std::vector<at::Tensor> panels = factor->panels();
  if (!is_worth_it(C) || panels.empty() || !fs::is_directory(folder_)) return factor;
  const SpdInfo& info = factor->info();
  const at::Device device = panels.front().device();
  FileWriter writer = begin_file(kFactor, layer, C);
  writer.set("relative_ridge", exact(relative_ridge));
  writer.set("device", c10::DeviceTypeName(device.type(), true));
  writer.set("ridge", exact(info.ridge));
  writer.set("condition", exact(info.condition));
  if (info.condition_of_moment) writer.set("condition_of_moment", exact(*info.condition_of_moment));
  std::uint64_t bytes = 0;
  for (std::size_t panel = 0; panel < panels.size(); ++panel) {
    add_panel(writer, panel_name(panel), panels[panel]);
    bytes += panels[panel].nbytes();
  }
  const fs::path path = file_of(folder_, kFactor, layer);
  if (!write(writer, path, bytes) || !device.is_cpu() || panels.size() == 1) return factor;
  auto kept = try_read<SpdFactor>(path, kFactor,
                                  [&](const auto& file) { return read_factor(file, C.size(0), device); });
  return kept ? kept : factor;
}

void StatisticsFactors::save(int layer, const at::Tensor& C, const Spectrum& spectrum) {
  if (!is_worth_it(C) || !fs::is_directory(folder_)) return;
  FileWriter writer = begin_file(kSpectrum, layer, C);
  writer.set("device", c10::DeviceTypeName(spectrum.vectors.device().type(), true));
  writer.add("values", spectrum.values);
  writer.add("vectors", spectrum.vectors);
  write(writer, file_of(folder_, kSpectrum, layer), spectrum.values.nbytes() + spectrum.vectors.nbytes());
}

void StatisticsFactors::save(int layer, const at::Tensor& C, double threshold,
                             const SpectralProjector& projector) {
  if (!is_worth_it(C) || !fs::is_directory(folder_)) return;
  FileWriter writer = begin_file(kProjector, layer, C);
  writer.set("threshold", exact(threshold));
  writer.set("device", c10::DeviceTypeName(projector.P.device().type(), true));
  writer.set("rank", std::to_string(projector.rank));
  writer.set("energy", exact(projector.energy));
  writer.add("projector", projector.P);
  write(writer, file_of(folder_, kProjector, layer), projector.P.nbytes());
}

std::vector<StoredFactor> stored_factors(const fs::path& folder) {
  std::vector<StoredFactor> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool spectrum = name.starts_with(kSpectrum), projector = name.starts_with(kProjector);
    if (!spectrum && !projector && !name.starts_with(kFactor)) continue;
    const char* const kind = spectrum ? kSpectrum : projector ? kProjector : kFactor;
    const auto stored = try_read<StoredFactor>(entry.path(), kind, [&](const auto& file) {
      StoredFactor factor{static_cast<int>(metadata_number(*file, "layer")), spectrum, 0, entry.path(),
                          entry.file_size()};
      if (projector)
        factor.threshold = from_exact(metadata_of(*file, "threshold"));
      else if (!spectrum)
        factor.relative_ridge = from_exact(metadata_of(*file, "relative_ridge"));
      return std::make_shared<const StoredFactor>(std::move(factor));
    });
    if (stored) found.push_back(*stored);
  }
  std::ranges::sort(found, {}, [](const StoredFactor& factor) {
    return std::make_tuple(factor.layer, factor.is_spectrum, factor.threshold > 0);
  });
  return found;
}

}  // namespace emend
