// The whole run of an edit file, or of edits made in code, as `emend edit` and the C interface use it:
// measure the base, leave out what is true already, load or collect statistics, search and solve, check the
// edited model against the base.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/editor.h"
#include "emend/fact_state.h"
#include "emend/locate.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

// How far held text may drift while facts are added in batches.
struct DriftBudget {
  enum class Measure { kPerplexity, kKl };
  Measure measure = Measure::kPerplexity;
  double limit = 1.05;  // edited over base, >= 1; or mean KL(base || edited) of the next token in nats, >= 0
  int batch = 0;        // facts that are added at a time; 0: a tenth of them, from 1 to 100
};

struct EditRunOptions {
  std::uint64_t seed = 0;                // of contexts, and of text that the model writes for statistics
  std::int64_t token_budget = 4096;      // tokens that one pass may hold, >= 1
  bool keep_going = false;               // leave out edits whose search fails instead of throwing
  const EditorTable* editors = nullptr;  // the methods to choose from; nullptr: known_editors()
  // A patch that is laid on the model already; empty: no patch. The new patch replaces it: it also holds
  // the facts of that patch, solved together with those of the file. Only for methods that carry earlier
  // facts.
  std::filesystem::path on = {};
  // The file in which found values are kept during the run (docs/formats.md, run files); empty: they are
  // not kept. The caller deletes the file after saving the patch; run_edit deletes it if a search fails,
  // since it would fail again. Methods that search no values write no such file.
  std::filesystem::path run_file = {};
  // Continue with the values in run_file. The patch equals, byte for byte, that of a run that was not
  // stopped.
  bool resume = false;
  double run_file_seconds = 1;  // between two writes of it, at least
  // A limit of the process in bytes, which makes the search take smaller batches; 0: no limit. A method
  // that does not plan its memory ignores the limit, and a note says so.
  std::int64_t memory_bytes = 0;
  // Stop adding facts when held text has drifted further; std::nullopt: all facts are added. Only for methods
  // that carry earlier facts.
  std::optional<DriftBudget> budget = std::nullopt;
  // The processes that share the searches; each of them calls run_edit with the same file and options, but
  // run_file and resume, which are for the first one alone. nullptr: this process is alone.
  ShardGroup* group = nullptr;
};

// The value of `protect` if the file does not state it, the method can protect keys and the file has no more
// edits than kMostProtectedEdits; docs/bleed.md has the measurements behind it. Of larger files nothing is
// protected unless they ask for it, since naming and measuring take time for each edit.
inline constexpr Protect kDefaultProtect = Protect::kAuto;
inline constexpr std::size_t kMostProtectedEdits = 100;

// The trial of `layer: auto` makes no more edits than this, facts times layers: it takes at most the time of
// so many edits.
inline constexpr std::size_t kTrialEdits = 6;

// What is known before any search.
struct PlanOutcome {
  std::string method;
  Objective objective = Objective::kNone;
  std::map<std::string, std::string> options;  // of the method, defaults included
  bool uses_statistics = true;
  // False if the method needs statistics and their files do not exist yet. The plan then holds only ids and
  // layers.
  bool has_statistics = true;
  std::filesystem::path statistics;  // the folder
  std::vector<int> layers;
  EditPlan plan;
  std::vector<EditRequest> edits;    // those of the file
  int model_layers = 0;              // how many the model has
  std::optional<EditMemory> memory;  // what the edit will hold; std::nullopt: the method does not plan it
  // `layer: auto` without a decision: the edits that are tried first, at these layers, by the run that the
  // plan is of; `layers` is then the layer by depth. Empty: nothing is tried.
  std::vector<int> trial_layers = {};
  std::vector<std::string> trial_facts = {};  // ids
  // Blocks whose weights are not held but read from the file whenever a pass comes to them, and how long one
  // took at loading.
  int blocks_read_again = 0;
  double seconds_a_block = 0;
  // What the base says to each of `edits`, whose present answers are filled in; and which of them need no
  // edit, since their target is the answer already (with the patch of EditRunOptions::on, if there is one).
  std::vector<FactState> before = {};
  std::vector<bool> already_true = {};
  // Without statistics: which of `layers` have none. Empty: all.
  std::vector<int> layers_without_statistics = {};
};

// Layers, conflicts and costs of the edits of `file` and what the model says to them now, without a search;
// nothing is written. The plan's warnings also name answers in the file that the model does not give. With
// EditRunOptions::on the edits are planned on top of that patch. Throws what run_edit throws before its
// search; conflicts of the edits and a patch that they cannot be built on are found only if the statistics
// are there.
PlanOutcome plan_edit(const Model& model, const EditFile& file, const EditRunOptions& options = {},
                      Progress& progress = no_progress());

// Where run_edit looks for the statistics of a file: its own folder, or the one beside the model that holds
// them under any name, or the default one. If the file names no layer, run_edit may find others for the layer
// that is decided.
std::filesystem::path statistics_folder(const Model& model, const EditFile& file);

// Wall-clock seconds of the steps, and of the whole run: a caller who counts the loading of the model adds it
// to `load` and `total`. No file that is written contains them.
struct EditSeconds {
  double total = 0;
  double load = 0, trial = 0, statistics = 0, protection = 0, search = 0, solve = 0, check = 0;
};

// The C that a layer was solved with.
struct UsedStatistics {
  int layer = 0;
  std::int64_t tokens = 0;  // keys that were summed
  std::string source;       // "self, seed 0"
  std::string fingerprint;
};

// The result of a drift budget.
struct BudgetOutcome {
  DriftBudget budget;
  std::size_t in = 0;                    // facts that were added: those of them that are written
  std::vector<std::string> left_out;     // ids of those that were not, in order; they are not in the patch
  double drift = 0;                      // with these facts, in the budget's measure
  std::optional<double> exceeded;        // with the batch that exceeded the limit; std::nullopt: none did
  std::vector<std::string> failed = {};  // ids of those within the budget whose search failed (keep_going)
};

// What was done. The patch holds the edit, the states before and after, and the checks of all requests, in
// the file's order. If there was nothing to do, it has no changes and need not be saved.
struct EditOutcome {
  Patch patch;
  bool nothing_to_do = false;              // every target was the model's answer already
  bool uses_statistics = true;             // false: the options of the method say C = I
  Protect protect = Protect::kNone;        // whose keys were left as they are
  bool teaches_end = false;                // the model was taught to end its text behind each target
  std::int64_t resumed_values = 0;         // values that were taken from the run file
  std::vector<UsedStatistics> statistics;  // by layer; empty if none were used
  // What `layer: auto` tried before the edits; std::nullopt: nothing. Kept as layer_decision.json in the
  // folder of statistics if a layer passed.
  std::optional<LayerDecision> trial;
  // Of C at the first layer, from the factor that was used in the solve; std::nullopt if C was not
  // factored.
  std::optional<double> condition;       // estimated; std::nullopt also if C is singular up to the ridge
  std::optional<double> relative_ridge;  // in units of trace(C) / d_ff
  std::optional<double> ridge;           // what was added to C's diagonal
  std::optional<double> condition_with_ridge;
  std::optional<BudgetOutcome> budget;  // std::nullopt: no budget was given
  EditSeconds seconds;
};

// Makes and checks the edits of `file` on `model`; file.model is not used. Statistics come from
// file.statistics, or from the default folder beside the model. If their files do not exist, they are
// collected, and saved if the editor accepts the edits. `layer: auto` without a decision in that folder makes
// at most six trial edits first, each of one fact at one layer, and keeps the decision there
// (docs/locate.md); a plan only names them. Beside them the folder keeps factors of C of wide layers, and
// run_file holds found values while it runs. The patch is not written: save_patch does that. Afterwards the
// model is as before, also on an error, but the checks lay the edit on it for a while: no other thread may
// use it meanwhile. Work: that of the editor (docs/rome.md) and a few passes over all prompts. Throws what
// the library throws, in particular Error(kConfig) for an unknown method, option, layer or BOS, for edits
// that contradict each other, for a patch that they cannot be built on, for a run file of another run (the
// message says what differs), for any run file if `resume` is not set, for a budget without held text, and
// for a limit of memory that the edit does not fit in; Error(kNumeric) for a search that fails, and what
// `progress` throws.
EditOutcome run_edit(Model& model, const EditFile& file, const EditRunOptions& options = {},
                     Progress& progress = no_progress());

// Where the patch of an edit file belongs: where the file says, else NAME.safetensors. What is not an
// absolute path lies under `folder`, or beside `edit_file` if that is empty.
std::filesystem::path patch_path_of(const EditFile& file, const std::filesystem::path& edit_file,
                                    const std::filesystem::path& folder = {});
// Where a run keeps the values that it has found until the patch is written: PATCH.run.
std::filesystem::path run_file_of(const std::filesystem::path& patch);

// The ids of facts whose search failed (only with keep_going).
std::vector<std::string> failed_ids(const Edit& edit);

}  // namespace emend
