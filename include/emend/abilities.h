// What else a model can do: multiple-choice items by likelihood, before and after an edit. The questions,
// their wording and the figures are those of lm-evaluation-harness (EleutherAI), without examples in front.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emend/edit.h"
#include "emend/eval.h"
#include "emend/eval_results.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

// A question with its possible answers, worded. A text that is scored is context + " " + choice.
struct ChoiceItem {
  std::string where;  // "arc.jsonl:17", for messages and results
  std::string context;
  std::vector<std::string> choices;  // two or more, none empty
  std::size_t right = 0;             // the index of the right one
};

struct AbilityTask {
  std::string name;            // the file's name without its ending
  std::filesystem::path file;  // where the items come from
  std::string form;            // MMLU, ARC, HellaSwag, BoolQ or PIQA
  bool normalised = false;     // the harness also reports acc_norm for this form
  std::vector<ChoiceItem> items;
};

// Items of data files in the published form of MMLU, ARC, HellaSwag, BoolQ or PIQA: JSON lines or a JSON
// array, one form a file, recognised by the keys of its items. docs/abilities.md lists keys and wording.
// Throws Error(kIo) if a file cannot be read, and Error(kFormat) naming file and line (in an array the
// item, from 0) for an item of no known form, or of another form than the file's first one (with the key
// that is missing), a value of a wrong type, and an item without a right answer; Error(kConfig) for two files
// of one name, after which tasks are called.
std::vector<AbilityTask> read_ability_tasks(const std::vector<std::filesystem::path>& files);

struct AbilityOptions {
  std::string bos = "auto";          // auto, none, or a token: what begins every text
  std::int64_t token_budget = 4096;  // tokens that one pass may hold, >= 1
  BootstrapOptions bootstrap;        // of the interval of the difference
};

// One item, as one model answers it.
struct ItemAnswer {
  std::vector<double> loglikelihoods;  // nats, of each whole choice after the context
  std::size_t chosen = 0;              // of the largest one; the first of equal ones
  std::size_t chosen_normalised = 0;   // of the largest one per character of the choice
};

struct ItemOutcome {
  std::string where;
  std::size_t right = 0;
  bool cut = false;  // too long for the model's positions: its beginning was left out, as the harness does
  ItemAnswer before;
  std::optional<ItemAnswer> after;  // of the edited model
};

// One figure over the items of a task.
struct AbilityFigure {
  std::string metric;  // acc: the share of items whose right choice is the chosen one; acc_norm: normalised
  MetricSummary before;
  std::optional<MetricSummary> after;
  // The rest only with an edited model; both models answer the same items.
  std::optional<PairedDifference> paired;  // a: before, b: after
  std::int64_t lost = 0;                   // items right before and wrong after
  std::int64_t gained = 0;                 // items wrong before and right after
  double p = 1;                            // of McNemar's exact test of lost against gained
};

struct AbilityResult {
  std::string name, form;
  std::filesystem::path file;
  std::vector<ItemOutcome> items;
  std::vector<AbilityFigure> figures;  // acc, and acc_norm where the form has it
  std::int64_t cut = 0;                // items of which the beginning was left out
};

struct AbilityOutcome {
  std::vector<AbilityResult> tasks;
  std::optional<AbilityFigure> all;  // acc over the items of all tasks; of several tasks only
  bool edited = false;               // there were changes
  BootstrapOptions bootstrap;
  double seconds = 0;  // of reading the items with the model, both times
};

// Asks the model as it is now, and, unless `changes` is empty, once more with them laid on it
// (ScopedEdit); afterwards the model is as before. Choices of one item, and items that begin alike, share
// their tokens. The result does not depend on the token budget, up to rounding. Throws Error: kUsage
// (options out of range, no tasks), kConfig (a BOS that the model does not have; a choice longer than the
// model's positions, with its place), kModel (changes that do not fit), kNumeric (a log-likelihood that is
// not finite, with its place), and what `progress` throws.
AbilityOutcome measure_abilities(Model& model, const std::vector<AbilityTask>& tasks,
                                 const std::vector<WeightChange>& changes, const AbilityOptions& options = {},
                                 Progress& progress = no_progress());

}  // namespace emend
