// Statistics that are loaded, or collected once where they are missing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"
#include "emend/statistics.h"
#include "emend/statistics_run.h"

namespace emend {

// The statistics folder of one model and BOS choice.
class StatisticsStore {
 public:
  // Condition of C by layer; std::nullopt: C is singular.
  using Conditions = std::map<int, std::optional<double>>;
  // Looks at what was collected before it is written, with C rounded as the files will hold it. It may throw:
  // then nothing on disk has changed. What it returns is kept as StatisticsQuality::condition of the layers:
  // those that it has factored need not be factored once more for it. Of the others it is estimated.
  using Approve = std::function<Conditions(const Statistics&)>;

  // `model` must outlive the store. An empty `folder` stands for default_statistics_folder.
  StatisticsStore(const Model& model, std::vector<std::int64_t> prefix, std::filesystem::path folder = {});

  const std::filesystem::path& folder() const { return folder_; }

  // The layers asked for. Those that the folder does not hold are collected in one pass over the text of
  // `options` (its layers and prefix are not used) and saved; all of them are collected if the held text is
  // missing. `approve` then gets all layers before any is saved; it is not called if nothing is missing. The
  // result is what the files hold, rounded to float32, so that a later run computes the same.
  // Throws Error as load_statistics and collect_statistics do, and Error(kIo) before the work if layers are
  // missing and the folder cannot be written.
  Statistics layers(const std::vector<int>& layers, const StatisticsOptions& options,
                    Progress& progress = no_progress(), const Approve& approve = {}) const;

 private:
  Statistics load_present(const std::vector<int>& layers) const;

  const Model& model_;
  std::vector<std::int64_t> prefix_;
  std::filesystem::path folder_;
};

// What was computed from the C of a layer and is kept beside it (docs/formats.md).
struct StoredFactor {
  int layer = 0;
  bool is_spectrum = false;   // eigenvalues and eigenvectors; else the Cholesky factor of C + ridge
  double relative_ridge = 0;  // of a factor, in units of trace(C) / d_ff
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  // Above 0: it is the projector onto the eigenvectors whose eigenvalues are below this, and no factor.
  double threshold = 0;
};

// All that a folder holds, by layer; broken files are left out.
std::vector<StoredFactor> stored_factors(const std::filesystem::path& folder);

}  // namespace emend
