#include "emend/kl_run.h"

#include <algorithm>
#include <chrono>

#include "emend/error.h"
#include "emend/patch_run.h"
#include "eval/results/bootstrap.h"
#include "model/device_memory.h"

namespace emend {
namespace {

constexpr const char *kPlainRow = "model", *kEditedRow = "edited", *kQuantisedRow = "quantised",
                     *kBothRow = "edited, quantised";

class KlRows {
 public:
  KlRows(const KlRunOptions& options, const ModelOptions& how, Progress& progress)
      : options_(options), how_(how), progress_(progress) {}

  Model load(const std::filesystem::path& path) const { return Model::load(path, how_, progress_); }

  void add(const std::string& name, Model& model, const std::vector<WeightChange>& changes) {
    KlRow row{name, model.path(), !changes.empty(), {}, {}};
    KlOptions how = options_.how;
    if (how.token_budget == 0) how.token_budget = default_token_budget(model.options().device());
    if (changes.empty()) {
      row.figures = measure_kl(model, options_.base, how, progress_);
    } else {
      const ScopedEdit scope(model, changes);
      row.figures = measure_kl(model, options_.base, how, progress_);
    }
    row.mean = compared(std::vector<double>(row.figures.chunk_kl.size(), 0.0), row.figures.chunk_kl);
    rows_.push_back(std::move(row));
  }

  std::vector<KlRow> take() { return std::move(rows_); }
  PairedDifference compared(const std::vector<double>& a, const std::vector<double>& b) const {
    return paired_bootstrap({{{a}, {b}}}, options_.bootstrap).front();
  }

 private:
  const KlRunOptions& options_;
  const ModelOptions& how_;
  Progress& progress_;
  std::vector<KlRow> rows_;
};

void require_run_options(const KlRunOptions& options) {
  if (!options.edited_quantised.empty() && options.patches.empty())
    throw Error(ErrorKind::kUsage,
                "a quantised model with the edit in it wants the patches that are in it, too");
}

void require_changes_fit(const std::vector<WeightChange>& changes, const Model& model) {
  for (const WeightChange& change : changes)
    require_fit(change, model.config(), model.path().string() + ": ");
}

std::vector<KlComparison> comparisons_of(const std::vector<KlRow>& rows, const KlRows& with) {
  const auto find = [&](const std::string& name) {
    return std::find_if(rows.begin(), rows.end(), [&](const KlRow& row) { return row.name == name; });
  };
  std::vector<KlComparison> comparisons;
  const auto compare = [&](const std::string& a, const std::string& b) {
    if (find(a) != rows.end() && find(b) != rows.end())
      comparisons.push_back({a, b, with.compared(find(a)->figures.chunk_kl, find(b)->figures.chunk_kl)});
  };
  compare(kQuantisedRow, kEditedRow);
  compare(kQuantisedRow, kBothRow);
  if (comparisons.empty()) compare(kPlainRow, kEditedRow);
  return comparisons;
}

}  // namespace

KlOutcome run_kl(const KlRunOptions& options, const ModelOptions& how, Progress& progress) {
  const auto began = std::chrono::steady_clock::now();
  require_run_options(options);
  KlOutcome outcome;
  outcome.bootstrap = options.bootstrap;
  outcome.base = read_kl_base(options.base);
  const std::vector<NamedPatch> patches = load_patches(options.patches);
  const std::vector<WeightChange> changes = changes_of(patches);
  KlRows rows(options, how, progress);
  {
    Model model = rows.load(options.model);
    outcome.warnings = require_stack(patches, model);
    rows.add(kPlainRow, model, {});
    if (!changes.empty()) rows.add(kEditedRow, model, changes);
  }
  if (!options.quantised.empty()) {
    Model model = rows.load(options.quantised);
    require_changes_fit(changes, model);
    rows.add(kQuantisedRow, model, {});
    if (!changes.empty() && options.edited_quantised.empty()) rows.add(kBothRow, model, changes);
  }
  if (!options.edited_quantised.empty()) {
    Model model = rows.load(options.edited_quantised);
    rows.add(kBothRow, model, {});
  }
  outcome.rows = rows.take();
  outcome.comparisons = comparisons_of(outcome.rows, rows);
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return outcome;
}

}  // namespace emend
