// Work with folders of statistics, as `emend stats` does it: collect into one, merge several, import, and
// look at what is there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "emend/progress.h"
#include "emend/statistics_run.h"
#include "emend/statistics_store.h"

namespace emend {

// One layer as it is shown.
struct LayerSummary {
  int layer = 0;
  std::int64_t tokens = 0;
  double trace = 0;
  StatisticsQuality quality;
  std::optional<LeadingKeys> leading = std::nullopt;  // std::nullopt: no direction carries so much
  bool diagonal = false;  // only the diagonal of C is known, and all figures are of diag(C)
  StatisticsOrigin origin = {};
};

// ---- collect

struct StatisticsJob {
  StatisticsFolder folder;
  bool dry_run = false;  // only the plan
  // Whether what every edit asks the unedited model is kept beside finished layers (contexts of rome and of
  // bulk, held text in front of each layer; docs/formats.md), so that the first edit need not ask it.
  bool texts = true;
  ShardGroup* group = nullptr;  // which processes share the work; null: this one works alone
  // Called in every process after the plan is made and before the work begins; may throw to stop.
  std::function<void(const StatisticsPlan&)> planned;
};
// What the corpus and the number of tokens mean for the result.
struct PlanRemark {
  enum class Kind { kNote, kWarning };
  Kind kind = Kind::kNote;
  std::string text;
};
struct StatisticsOutcome {
  std::filesystem::path folder;  // that of the job
  bool planned_only = false;     // a dry run
  StatisticsPlan plan;
  std::vector<PlanRemark> remarks;   // on the plan
  StatisticsReport report;           // empty after a dry run, and for all processes of a group but the first
  std::vector<LayerSummary> layers;  // of the layer files that were written
  bool has_until = false;            // the options asked for an error estimate
  std::map<std::string, double> seconds;  // wall-clock seconds of each stage
};
// A StatisticsRun from its options to its files. With a group, the shard is that of this process. Throws
// Error(kUsage) if the options choose a shard or keep sums although a group shares the work, and what
// StatisticsRun throws.
StatisticsOutcome run_statistics(const Model& model, StatisticsOptions options, const StatisticsJob& job,
                                 Progress& progress = no_progress());

// The remarks on a plan, as run_statistics gives them.
std::vector<PlanRemark> remarks_on(const StatisticsPlan& plan, const StatisticsOptions& options,
                                   const ModelConfig& config);

// ---- what a folder holds

struct StatisticsSummary {
  // Where the layers were written; empty if they were only read.
  std::filesystem::path written;
  std::vector<LayerSummary> layers;
  // As Statistics has them: of layers that are of several collections, what each says. What is not known is
  // empty.
  std::string source, settings, fingerprint;
  // Eigenvalues of C over their mean, largest first, as log10, not below -12: float32 storage makes smaller
  // ones noise.
  std::map<int, std::vector<double>> log_spectra;
  std::vector<StoredFactor> factors;  // of summarize_statistics: what is kept beside the layers
};

// The numbers of the layers in a folder, sorted. Throws Error: kIo if there is no such folder, kFormat if it
// holds no layer.
std::vector<int> stored_layers(const std::filesystem::path& folder);

// With the spectra of `drawn`. Throws as stored_layers, and Error(kConfig) if one of `drawn` is not there.
StatisticsSummary summarize_statistics(const std::filesystem::path& folder, const std::vector<int>& drawn,
                                       Progress& progress = no_progress());

// Throws Error(kModel) if any layer in the folder is of another model, tokenizer or prefix, and
// Error(kConfig) for a layer that the model does not have.
void require_statistics_of(const Model& model, const std::vector<std::int64_t>& prefix,
                           const std::filesystem::path& folder);

// ---- merge, import

// merge_statistics, and what was written. Throws Error(kConfig) if `out` is one of several folders.
StatisticsSummary merge_into(const std::vector<std::filesystem::path>& folders,
                             const std::filesystem::path& out, Progress& progress = no_progress());

// Files that import_into reads name their model by a folder only, or not at all. Throws Error(kUsage), which
// says so of `file`, unless the caller has said that they are of `model`.
void require_trusted_origin(const std::filesystem::path& file, const std::filesystem::path& model,
                            bool trusted);

// import_mom2, or import_imatrix for a file that looks like an importance matrix, and save_statistics; and
// what was written. Throws Error(kConfig) for an importance matrix among other files.
StatisticsSummary import_into(const std::vector<std::filesystem::path>& files, const Model& model,
                              const std::vector<std::int64_t>& prefix, const std::filesystem::path& out,
                              Progress& progress = no_progress());

}  // namespace emend
