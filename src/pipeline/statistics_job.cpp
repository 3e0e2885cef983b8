#include "emend/statistics_job.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/statistics_file.h"
#include "analysis/statistics_quality.h"
#include "base/folder_kind.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "emend/error.h"
#include "io/imatrix.h"
#include "linalg/spd_factor.h"
#include "pipeline/text_remarks.h"
#include "pipeline/unedited_texts.h"
#include "report/numbers.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

constexpr double kLowest = -12;  // log10

std::vector<double> log_spectrum(const at::Tensor& C) {
  const std::vector<double> values = spectrum(C);
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  std::vector<double> logs;
  for (const double value : values)
    logs.push_back(value > 0 ? std::max(kLowest, std::log10(value / mean)) : kLowest);
  return logs;
}

// From the file's metadata; what an older file does not say is computed from its C.
LayerSummary summarize_layer_file(const fs::path& file, int layer) {
  LayerStatistics statistics = read_layer_statistics(*open_safetensors(file), layer);
  if (!statistics.quality.effective_rank) {
    const std::optional<double> estimate = statistics.quality.error_estimate;
    statistics.quality = quality_of(statistics.C);
    statistics.quality.error_estimate = estimate;
  }
  return {layer,
          statistics.tokens,
          trace_of(statistics.C),
          statistics.quality,
          find_leading_keys(statistics.C, statistics.quality.condition),
          statistics.is_diagonal(),
          statistics.origin};
}

// Of every layer file among `files`; others are passed over.
std::vector<LayerSummary> summarize_layer_files(const std::vector<fs::path>& files, Progress& progress) {
  std::vector<LayerSummary> layers;
  for (const fs::path& file : files) {
    progress.poll();
    const std::string stem = file.stem().string();
    if (stem.starts_with("layer_")) layers.push_back(summarize_layer_file(file, std::stoi(stem.substr(6))));
  }
  return layers;
}

// What the origins of its layers say together.
void take_origins(StatisticsSummary& summary) {
  Statistics layers;
  for (const LayerSummary& layer : summary.layers) layers.layers[layer.layer].origin = layer.origin;
  summary.source = layers.source();
  summary.settings = layers.settings();
  summary.fingerprint = layers.fingerprint();
}

void take_shard_of(const ShardGroup& group, bool keep_sums, StatisticsOptions& options) {
  if (options.shards > 1 || keep_sums)
    throw Error(ErrorKind::kUsage,
                "mpirun makes the shards: leave out the option shard and the option keep-sums");
  options.shard = group.rank();
  options.shards = group.size();
}

// Of the layers that were written.
void keep_texts_of(const Model& model, const StatisticsOptions& options, const StatisticsOutcome& outcome,
                   Progress& progress) {
  std::vector<int> layers;
  for (const LayerSummary& layer : outcome.layers) layers.push_back(layer.layer);
  keep_unedited_texts(model, outcome.folder, layers, {options.prefix, options.seed, options.token_budget},
                      progress);
}

}  // namespace

StatisticsOutcome run_statistics(const Model& model, StatisticsOptions options, const StatisticsJob& job,
                                 Progress& progress) {
  if (job.group != nullptr) take_shard_of(*job.group, job.folder.keep_sums, options);
  StageClock stages(progress);
  const StatisticsRun work(model, options, stages);
  StatisticsOutcome outcome;
  outcome.folder = job.folder.path;
  outcome.planned_only = job.dry_run;
  outcome.plan = work.plan();
  outcome.remarks = remarks_on(outcome.plan, options, model.config());
  outcome.has_until = options.until.has_value();
  if (job.planned) job.planned(outcome.plan);
  if (job.dry_run) return outcome;
  outcome.report = work.collect_into(job.folder, stages, job.group);
  outcome.layers = summarize_layer_files(outcome.report.outputs, progress);
  if (job.texts && !outcome.layers.empty()) keep_texts_of(model, options, outcome, stages);
  outcome.seconds = stages.seconds();
  return outcome;
}

std::vector<PlanRemark> remarks_on(const StatisticsPlan& plan, const StatisticsOptions& options,
                                   const ModelConfig& config) {
  std::vector<PlanRemark> remarks = text_remarks(
      {plan.repaired, plan.repeated, plan.binary_files, options.tokens, plan.tokens, plan.blocks});
  if (plan.tokens < config.d_ff)
    remarks.push_back({PlanRemark::Kind::kWarning,
                       fmt::format("{} tokens are fewer than the key's size {}: C will be singular, and an "
                                   "edit has to lean on its ridge",
                                   count_text(plan.tokens), config.d_ff)});
  return remarks;
}

std::vector<int> stored_layers(const fs::path& folder) {
  require_folder(folder, kStatisticsFolder);
  std::vector<int> layers;
  for (const auto& [layer, file] : layer_files(folder)) layers.push_back(layer);
  return layers;
}

StatisticsSummary summarize_statistics(const fs::path& folder, const std::vector<int>& drawn,
                                       Progress& progress) {
  require_folder(folder, kStatisticsFolder);
  const std::map<int, fs::path> files = layer_files(folder);
  for (const int layer : drawn)
    if (!files.contains(layer))
      throw Error(ErrorKind::kConfig,
                  fmt::format("{}: there is no layer {} in this folder", folder.string(), layer));
  StatisticsSummary summary;
  for (const auto& [layer, path] : files) {
    progress.poll();
    summary.layers.push_back(summarize_layer_file(path, layer));
    if (std::count(drawn.begin(), drawn.end(), layer) > 0)
      summary.log_spectra[layer] = log_spectrum(read_layer_statistics(*open_safetensors(path), layer).C);
  }
  take_origins(summary);
  summary.factors = stored_factors(folder);
  return summary;
}

void require_statistics_of(const Model& model, const std::vector<std::int64_t>& prefix,
                           const fs::path& folder) {
  std::vector<int> layers;
  for (const auto& [layer, file] : layer_files(folder)) {
    require_layer(file.string(), layer, model.config().layers);
    layers.push_back(layer);
  }
  load_statistics(model, layers, prefix, folder);
}

StatisticsSummary merge_into(const std::vector<fs::path>& folders, const fs::path& out, Progress& progress) {
  for (const fs::path& folder : folders)
    if (fs::exists(out) && fs::exists(folder) && fs::equivalent(folder, out) && folders.size() > 1)
      throw Error(
          ErrorKind::kConfig,
          fmt::format("the option out {} is one of the folders to be merged; give another", out.string()));
  const MergeReport report = merge_statistics(folders, out, progress);
  StatisticsSummary summary;
  summary.written = out;
  summary.layers = summarize_layer_files(report.outputs, progress);
  summary.source = report.source;
  summary.fingerprint = report.fingerprint;
  return summary;
}

namespace {

Statistics import_files(const std::vector<fs::path>& files, const Model& model,
                        const std::vector<std::int64_t>& prefix, Progress& progress) {
  const auto imatrix = std::find_if(files.begin(), files.end(), may_be_imatrix);
  if (imatrix == files.end()) return import_mom2(files, model, prefix, progress);
  if (files.size() > 1)
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{} is an importance matrix, which holds all layers, and {} files are given; give it "
                    "alone (llama-imatrix --in-file A --in-file B -o SUM.gguf adds several)",
                    imatrix->string(), files.size()));
  return import_imatrix(files.front(), model, prefix);
}

bool is_imatrix(const fs::path& file) {
  std::error_code failed;
  return fs::is_regular_file(file, failed) && may_be_imatrix(file);
}

}  // namespace

void require_trusted_origin(const fs::path& file, const fs::path& model, bool trusted) {
  if (trusted) return;
  const fs::path folder = fs::absolute(file).lexically_normal().parent_path().parent_path();
  const std::string says = is_imatrix(file)
                               ? "does not say of which model it is"
                               : fmt::format("says of which model it is by the name of its folder only ({})",
                                             folder.filename().string());
  throw Error(ErrorKind::kUsage, fmt::format("{} {}; give the option trust-model-name when it is {}",
                                             file.string(), says, model.string()));
}

StatisticsSummary import_into(const std::vector<fs::path>& files, const Model& model,
                              const std::vector<std::int64_t>& prefix, const fs::path& out,
                              Progress& progress) {
  const Statistics statistics = import_files(files, model, prefix, progress);
  progress.poll();
  save_statistics(statistics, model, prefix, out);
  StatisticsSummary summary;
  summary.written = out;
  for (const auto& [layer, value] : statistics.layers)
    summary.layers.push_back(summarize_layer_file(layer_file(out, layer), layer));
  take_origins(summary);
  return summary;
}

}  // namespace emend
