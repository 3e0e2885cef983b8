#include "emend/statistics_store.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <utility>

#include "analysis/statistics_file.h"
#include "base/files.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/statistics_run.h"
#include "linalg/spd_factor.h"

namespace emend {

namespace {

namespace fs = std::filesystem;

std::vector<int> missing_layers(const std::vector<int>& wanted, const Statistics& found) {
  std::vector<int> missing;
  for (const int layer : wanted)
    if (!found.layers.contains(layer)) missing.push_back(layer);
  return missing;
}

// The folder may be one that nobody named: the default one in the model's own.
void require_place_for(const std::vector<int>& layers, const fs::path& folder) {
  try {
    require_writable_folder(folder);
  } catch (const Error& error) {
    throw Error(error.kind(),
                fmt::format("{}: the statistics of {} are not there and would be kept in {}; name a "
                            "folder for them with the option statistics",
                            error.what(), layer_names(layers), folder.string()));
  }
}

// What load_statistics gives of these statistics once they are saved.
Statistics as_in_files(const Statistics& collected) {
  Statistics rounded = collected;
  for (auto& [layer, value] : rounded.layers) value.C = value.C.to(at::kFloat).to(at::kDouble);
  return rounded;
}

// Has the collected layers approved together with those that were there, and books their conditions.
void have_approved(Statistics& collected, Statistics found, const StatisticsStore::Approve& approve) {
  StatisticsStore::Conditions known;
  {
    Statistics all = as_in_files(collected);
    all.layers.merge(found.layers);
    known = approve(all);
  }
  for (auto& [layer, value] : collected.layers) {
    const auto told = known.find(layer);
    value.quality.condition = told != known.end() ? told->second : condition_estimate(value.C);
  }
}

Statistics noted(Statistics statistics, Progress& progress) {
  for (const std::string& note : notes_on(statistics)) progress.note(note);
  return statistics;
}

}  // namespace

StatisticsStore::StatisticsStore(const Model& model, std::vector<std::int64_t> prefix, fs::path folder)
    : model_(model),
      prefix_(std::move(prefix)),
      folder_(folder.empty() ? default_statistics_folder(model, prefix_) : std::move(folder)) {}

// Those of the layers whose files exist; none if the held text does not.
Statistics StatisticsStore::load_present(const std::vector<int>& layers) const {
  std::vector<int> present;
  for (const int layer : layers)
    if (fs::exists(layer_file(folder_, layer))) present.push_back(layer);
  return present.empty() ? Statistics() : load_statistics(model_, present, prefix_, folder_);
}

Statistics StatisticsStore::layers(const std::vector<int>& layers, const StatisticsOptions& options,
                                   Progress& progress, const Approve& approve) const {
  Statistics found = load_present(layers);
  StatisticsOptions missing = options;
  missing.layers = missing_layers(layers, found);
  missing.prefix = prefix_;
  if (missing.layers.empty()) return noted(std::move(found), progress);
  require_place_for(missing.layers, folder_);
  missing.conditions = !approve;
  const StatisticsRun run(model_, missing, progress);
  progress.note(fmt::format("No statistics of {} in {}: collecting them from {} (once; {} tokens, about {})",
                            layer_names(missing.layers), folder_.string(),
                            options.corpus.empty() ? "text that the model writes itself" : "the text given",
                            run.plan().tokens, human_seconds(run.plan().seconds)));
  Statistics collected = run.collect(progress);
  if (approve) have_approved(collected, std::move(found), approve);
  found = {};
  progress.poll();
  save_statistics(collected, model_, prefix_, folder_);
  collected = {};
  // As rounded in the files: a later run computes the same.
  return noted(load_statistics(model_, layers, prefix_, folder_), progress);
}

}  // namespace emend
