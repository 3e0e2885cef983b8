#include "analysis/statistics_factors.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstddef>
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

// Of its elements as float64, some rows at a time.
std::string digest_of(const at::Tensor& C) {
  constexpr std::int64_t kRows = 256;
  Xxh3Stream digest;
  for (std::int64_t begin = 0; begin < C.size(0); begin += kRows) {
    const std::int64_t rows = std::min(kRows, C.size(0) - begin);
    const at::Tensor strip = C.narrow(0, begin, rows).to(at::kCPU, at::kDouble).contiguous();
    digest.update({static_cast<const std::byte*>(strip.const_data_ptr()), strip.nbytes()});
  }
  let_go_of(C);
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

at::Tensor read_panel(const TensorFile& file, const std::string& name, const at::Device& device) {
  const bool by_columns = file.find(name + kByColumns) != nullptr;
  const std::string stored = by_columns ? name + kByColumns : name;
  const at::Tensor panel = stored_tensor(file, stored, "F64").to(device);
  drop_pages(file.bytes(*file.find(stored)));  // lest file and copy count twice
  return by_columns ? panel.t() : panel;
}

// Writes the file if there is room for it twice.
void write(const FileWriter& writer, const fs::path& file, std::uint64_t bytes) {
  try {
    require_writable_file(file);
    require_space(file.parent_path(), 2 * bytes);
    writer.write(file);
  } catch (const Error&) {
    return;  // the next program makes it again
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
    const std::unique_ptr<TensorFile> file = open_safetensors(path);
    if (metadata_of(*file, "format") != kFormat || metadata_of(*file, "kind") != kind) return nullptr;
    return read(*file);
  } catch (const Error&) {
    return nullptr;
  } catch (const std::logic_error&) {  // a number that is none
    return nullptr;
  }
}

// Whether the panels are those of a factor of n rows.
bool are_panels(const std::vector<at::Tensor>& panels, std::int64_t n) {
  std::int64_t row = 0;
  for (const at::Tensor& panel : panels) {
    const std::int64_t width = std::min(CholeskyPanels::kColumns, n - row);
    if (panel.dim() != 2 || panel.size(0) != n - row || panel.size(1) != width) return false;
    row += width;
  }
  return row == n;
}

std::shared_ptr<const SpdFactor> read_factor(const TensorFile& file, std::int64_t n,
                                             const at::Device& device) {
  SpdInfo info;
  info.ridge = from_exact(metadata_of(file, "ridge"));
  info.condition = from_exact(metadata_of(file, "condition"));
  const std::string of_moment = metadata_or(file, "condition_of_moment", "");
  if (!of_moment.empty()) info.condition_of_moment = from_exact(of_moment);
  std::vector<at::Tensor> panels;
  for (std::int64_t row = 0; row < n; row += CholeskyPanels::kColumns)
    panels.push_back(read_panel(file, panel_name(panels.size()), device));
  if (!are_panels(panels, n)) return nullptr;
  return std::make_shared<const SpdFactor>(std::move(panels), info);
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
  return try_read<SpdFactor>(file_of(folder_, kFactor, layer), kFactor, [&](const TensorFile& file) {
    const bool same = metadata_of(file, "relative_ridge") == exact(relative_ridge) &&
                      metadata_of(file, "device") == c10::DeviceTypeName(device.type(), true) &&
                      metadata_of(file, "moments") == digest_of(C);
    return same ? read_factor(file, C.size(0), device) : nullptr;
  });
}

std::shared_ptr<const Spectrum> StatisticsFactors::load_spectrum(int layer, const at::Tensor& C,
                                                                 const at::Device& device) {
  if (!is_worth_it(C)) return nullptr;
  using Found = std::shared_ptr<const Spectrum>;
  return try_read<Spectrum>(file_of(folder_, kSpectrum, layer), kSpectrum, [&](const TensorFile& file) {
    const std::int64_t n = C.size(0);
    const bool same = metadata_or(file, "device", "cpu") == c10::DeviceTypeName(device.type(), true) &&
                      metadata_of(file, "moments") == digest_of(C);
    if (!same) return Found();
    Spectrum spectrum{stored_tensor(file, "values", "F64"), stored_tensor(file, "vectors", "F64").to(device)};
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
  return try_read<SpectralProjector>(
      file_of(folder_, kProjector, layer), kProjector, [&](const TensorFile& file) {
        const bool same = metadata_of(file, "threshold") == exact(threshold) &&
                          metadata_of(file, "device") == c10::DeviceTypeName(device.type(), true) &&
                          metadata_of(file, "moments") == digest_of(C);
        if (!same) return Found();
        SpectralProjector projector{stored_tensor(file, "projector", "F64").to(device),
                                    static_cast<std::int64_t>(metadata_number(file, "rank")),
                                    from_exact(metadata_of(file, "energy"))};
        if (projector.P.sizes() != C.sizes()) return Found();
        return std::make_shared<const SpectralProjector>(std::move(projector));
      });
}

void StatisticsFactors::save(int layer, const at::Tensor& C, double relative_ridge, const SpdFactor& factor) {
  const std::vector<at::Tensor> panels = factor.panels();
  if (!is_worth_it(C) || panels.empty() || !fs::is_directory(folder_)) return;
  const SpdInfo& info = factor.info();
  FileWriter writer = begin_file(kFactor, layer, C);
  writer.set("relative_ridge", exact(relative_ridge));
  writer.set("device", c10::DeviceTypeName(panels.front().device().type(), true));
  writer.set("ridge", exact(info.ridge));
  writer.set("condition", exact(info.condition));
  if (info.condition_of_moment) writer.set("condition_of_moment", exact(*info.condition_of_moment));
  std::uint64_t bytes = 0;
  for (std::size_t panel = 0; panel < panels.size(); ++panel) {
    add_panel(writer, panel_name(panel), panels[panel]);
    bytes += panels[panel].nbytes();
  }
  write(writer, file_of(folder_, kFactor, layer), bytes);
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
    const auto stored = try_read<StoredFactor>(entry.path(), kind, [&](const TensorFile& file) {
      StoredFactor factor{static_cast<int>(metadata_number(file, "layer")), spectrum, 0, entry.path(),
                          entry.file_size()};
      if (projector)
        factor.threshold = from_exact(metadata_of(file, "threshold"));
      else if (!spectrum)
        factor.relative_ridge = from_exact(metadata_of(file, "relative_ridge"));
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
