// What is settled before an edit begins: layer, prefix, statistics folder, the patch that it is built on.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/editor_cache.h"
#include "emend/locate.h"
#include "emend/memory_estimate.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/progress.h"
#include "emend/records.h"
#include "emend/statistics.h"
#include "pipeline/auto_trial.h"
#include "pipeline/run_file.h"
#include "pipeline/skipped_facts.h"

namespace emend {

// Inputs that all steps of an edit share. What the plain pointers point to outlives the run.
struct EditJob {
  const Model* model;
  const Editor* editor;
  const EditFile* file;
  EditorContext context;                    // without statistics; `earlier` is that of `below`
  std::filesystem::path statistics;         // the folder
  std::shared_ptr<const Patch> below = {};  // that of EditRunOptions::on; nullptr: none
  std::shared_ptr<RunFile> run_file = {};   // the journal of `context`; nullptr: none
  std::shared_ptr<EditorCache> cache = {};  // that of `context`
  std::optional<MeasuredBase> base = {};    // measured to find the layer
  TrialPlan planned = {};                   // of `layer: auto` without a decision, where nothing was tried
  std::optional<LayerDecision> trial = {};  // what was tried
  double trial_seconds = 0;
};

// Whether `layer: auto` without a decision may be decided by edits: a plan makes none.
enum class TrialEdits { kNone, kAllowed };

// Reads and checks the patch that is on the model already, and then resolves `layer: auto` (auto_layer.h).
// Throws Error(kConfig) for a layer or a BOS that the model does not have, a text longer than its positions,
// for several layers if the method edits one (the message names what said so, LayerChoice::where), and for an
// earlier patch whose facts the method does not carry, or that was made with another BOS, form of prompts,
// layers or statistics; Error(kUsage) for a token budget below 1; what load_patch and require_base throw.
EditJob make_job(const Model& model, const Editor& editor, const EditFile& file,
                 const EditRunOptions& options, TrialEdits trial, Progress& progress);

// The method that the file names. Throws Error(kConfig) with its place in the file if there is none of this
// name, and what the method throws for its options.
std::unique_ptr<Editor> editor_of(const EditFile& file, const EditorTable& table = known_editors());

// What the base says to the requests of the file: that of the job, or measured now.
MeasuredBase base_of(const EditJob& job, Progress& progress);

// How the facts of the job are measured.
inline CheckOptions check_options_of(const EditJob& job) {
  return {.prefix = job.context.prefix, .form = job.context.form, .token_budget = job.context.token_budget};
}

// What Editor::plan says of `requests`, with the changes of the earlier patch on a model of its own.
// `statistics` is nullptr only if the editor needs none.
EditPlan plan_job(const EditJob& job, const std::vector<EditRequest>& requests, const Statistics* statistics);

// Loads the statistics of all layers of the job, and collects those that are not there: they are saved only
// after the editor has found nothing to refuse in `requests`, on the earlier patch if there is one.
Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Progress& progress);

// What the file asks to protect; if it does not say, what the method protects by default in a file of so many
// edits. Throws
// Error(kConfig) for a method that cannot protect.
Protect protection_of(const EditFile& file, const Editor& editor);

// Finds what the edits of `requests` must leave as it is, for the context of an edit. Where the edit file
// names `protect`, what cannot be protected is refused; by default it is left out, and a note says that a
// file is too large for the default.
Protection protect_subjects(const EditJob& job, const std::vector<EditRequest>& requests, Protect protect,
                            const CheckOptions& options, std::vector<std::string>& warnings,
                            Progress& progress);

// Plans the memory of the edit under the limit, if there is one. Throws Error(kConfig) with the numbers if
// it does not fit.
std::optional<EditMemory> plan_memory(EditJob& job, const EditRunOptions& options, Progress& progress);

// The editors that a run may choose from: those of its options, or all known ones.
const EditorTable& table_of(const EditRunOptions& options);

}  // namespace emend
