// Does an edit survive what models go through on their way: fewer bits, further edits, adapters?
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emend/adapter.h"
#include "emend/checks.h"
#include "emend/model.h"
#include "emend/patch_run.h"
#include "emend/progress.h"

namespace emend {

struct SurviveOptions {
  // Element types by name: F16, BF16, Q4_0 to Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS. Lower case is taken, too.
  std::vector<std::string> types;
  std::vector<NamedPatch> later;  // laid on behind the edit, one after the other
  // Merged into the edited model, each one by itself (read_lora_adapter).
  std::vector<LoraAdapter> adapters;
  std::filesystem::path statistics;  // C for rounding by the keys, as ApplyOptions::statistics; empty: none
  std::int64_t token_budget = 4096;
};

// What was done to the weights.
enum class SurvivalKind {
  kEdited,      // the edit alone, as it was solved
  kStored,      // the edited weights rounded to the type, all others as they are: to nearest
  kByTheKeys,   // the same from a base in this type, rounded such that the edit's values arrive
                // (RoundingReport)
  kEverywhere,  // every matrix of every block rounded to the type, edited or not; embedding and head are not
  kLater,       // further patches on the edited model
  kAdapter,     // a LoRA adapter merged into the edited model: W + Delta + B A, in the model's dtype
};

struct SurvivalRow {
  SurvivalKind kind = SurvivalKind::kEdited;
  std::string condition;  // "Q4_K", the name of the last patch on it, or the folder of the adapter
  // The stored type where the rows of a matrix are no whole number of blocks of the one asked for, as
  // llama.cpp takes it: Q4_K becomes Q5_0. Empty: all are of the type asked for.
  std::string replaced_by;
  std::size_t patch = 0;  // whose facts these are
  // Of <(W' - W) k, Delta k> / ||Delta k||^2 over keys with an answer, W being the base under the same
  // rounding (kStored: the base as it is): how much of the update arrives. std::nullopt: nothing was rounded.
  std::optional<double> mean_share, worst_share;
  std::vector<CheckResult> checks;
  bool passed = false;
};

struct SurviveOutcome {
  std::vector<std::string> patches;  // names
  std::vector<SurvivalRow>
      rows;  // in the order of SurvivalKind, types, later patches and adapters in the order given
  std::vector<std::string> warnings;

  bool passed() const {
    return std::all_of(rows.begin(), rows.end(), [](const SurvivalRow& row) { return row.passed; });
  }
};

// The checks of the patches, all of which are on the model, under each condition. Drift is that of the edit
// alone: of the edited model against the unedited one under the same rounding, or with the same adapter. The
// weights are changed in memory; no file is written, and the model is as before afterwards. Throws
// Error(kUsage) for a type that is unknown or that emend does not write (the known ones are named), or when
// neither types nor later patches nor adapters are given; Error(kModel) for a patch of another base, for
// two of `patches` that write the same key (a later one that does is a warning), for an
// adapter of another model (the module is named), and for a model whose blocks are not all kept in memory;
// Error(kConfig) for a matrix whose rows are no whole number of any such block; what `progress` throws.
SurviveOutcome survive_edits(Model& model, const std::vector<NamedPatch>& patches,
                             const SurviveOptions& options, Progress& progress = no_progress());

}  // namespace emend
