#include "emend/edit_run.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <utility>

#include "analysis/layer_choice.h"
#include "analysis/moments_in_file.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_place.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/bleed.h"
#include "emend/checks.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "emend/version.h"
#include "measure/drift.h"
#include "model/block_reader.h"
#include "pipeline/answer_warnings.h"
#include "pipeline/drift_budget.h"
#include "pipeline/edit_identity.h"
#include "pipeline/edit_job.h"
#include "pipeline/first_word.h"
#include "pipeline/patch_checks.h"
#include "pipeline/shared_keys.h"
#include "pipeline/skipped_facts.h"
#include "report/numbers.h"

namespace emend {
namespace {

// Adds the time from its making to its end to `seconds`.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

RunConditions conditions_of(const EditJob& job) {
  return {job.model->device_names(), job.model->compute_type(), job.context.seed, job.context.token_budget};
}

// Why there is nothing that drift could be measured on.
std::string drift_warning(const EditJob& job) {
  const std::string remedy = "; give `drift_text:` in the edit file to have it measured";
  if (!job.editor->needs_statistics())
    return "drift is not measured: the method uses no statistics (C = I), so no text was held back" + remedy;
  return "drift is not measured: the statistics have no text that all of their layers left out" + remedy;
}

// Everything that is known before the edit.
Patch begin_patch(const EditJob& job) {
  Patch patch;
  patch.emend_version = emend_version();
  patch.base_name = job.model->path().filename().string();
  patch.edit_text = job.file->text;
  patch.bos = job.file->bos;
  patch.prefix = job.context.prefix;
  patch.form = job.context.form;
  patch.thresholds = job.file->checks;
  patch.conditions = conditions_of(job);
  return patch;
}

Statistics prepare_statistics(const EditJob& job, const std::vector<EditRequest>& requests,
                              EditOutcome& outcome, Progress& progress) {
  if (!job.editor->needs_statistics()) return {};
  const Stopwatch watch(outcome.seconds.statistics);
  Statistics statistics = load_or_collect(job, requests, progress);
  for (const int l : job.context.layers) {
    const LayerStatistics& layer = statistics.layers.at(l);
    outcome.statistics.push_back({l, layer.tokens, layer.origin.source, layer.origin.fingerprint});
    if (!layer.is_diagonal() && layer.tokens < layer.C.size(0))
      progress.note(fmt::format(
          "the statistics of layer {} hold {} tokens, fewer than the key's size {}: C is "
          "singular, and only the ridge makes it solvable; collect statistics of the layer over more "
          "text",
          l, layer.tokens, layer.C.size(0)));
  }
  return statistics;
}

// The edit of all requests, made on a model that has the changes of the earlier patch on it, or of those that
// the budget allows.
Edit edit_of(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
             const EditorContext& context, const EditRunOptions& options, EditOutcome& outcome,
             Progress& progress) {
  if (options.budget) {
    const TextRows& held = outcome.patch.held_text;
    BudgetedEdit made = edit_within(job, model, requests, context, *options.budget, held, progress);
    outcome.budget = std::move(made.outcome);
    return std::move(made.edit);
  }
  const ScopedEdit scope(model, job.below ? job.below->edit.changes : std::vector<WeightChange>());
  return job.editor->edit(*job.model, requests, context, progress);
}

// edit_of; where a subject that is the first token cannot be edited, the edit's warnings, or the error of a
// search that fails, name a wording that can be.
Edit edit_or_name_wordings(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
                           const EditorContext& context, const EditRunOptions& options, EditOutcome& outcome,
                           Progress& progress) {
  try {
    Edit edit = edit_of(job, model, requests, context, options, outcome, progress);
    std::vector<EditRequest> in = requests;
    if (outcome.budget)
      std::erase_if(in, [&](const EditRequest& request) {
        return std::ranges::find(outcome.budget->left_out, request.id) != outcome.budget->left_out.end();
      });
    for (std::string& told : wordings_of_missed(model, *job.editor, edit, in, context, progress))
      edit.warnings.push_back(std::move(told));
    return edit;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNumeric) throw;
    const std::string what = error.what();
    const std::vector<std::string> told =
        wordings_of_named(model, *job.editor, what, requests, context, progress);
    if (told.empty()) throw;
    throw Error(ErrorKind::kNumeric, what + "; " + join(told, "; "));
  }
}

// The text that drift is measured on. Throws Error(kConfig) if there is none and a budget asks for it.
TextRows text_to_hold(const EditJob& job, const Statistics& statistics, const EditRunOptions& options) {
  TextRows given = held_rows(*job.model, job.context.prefix, job.file->drift_text);
  if (given.empty()) given = statistics.held_text;
  if (given.empty() && options.budget)
    throw Error(ErrorKind::kConfig, "the option budget-drift has no text to measure: " + drift_warning(job));
  return given;
}

void make_edit(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
               const Statistics& statistics, const Protection& protection, const EditRunOptions& options,
               EditOutcome& outcome, Progress& progress) {
  EditorContext context = job.context;
  if (outcome.protect != Protect::kNone) context.protection = &protection;
  context.statistics = job.editor->needs_statistics() ? &statistics : nullptr;
  if (job.run_file)
    job.run_file->identify(kStatisticsIdentity,
                           context.statistics != nullptr ? statistics.fingerprint(context.layers) : "none");
  double all = 0;
  StageClock stages(progress);
  {
    const Stopwatch watch(all);
    outcome.patch.edit = edit_or_name_wordings(job, model, requests, context, options, outcome, stages);
  }
  if (job.run_file) outcome.resumed_values = job.run_file->taken();
  if (job.run_file && job.run_file->is_stored())
    progress.note(fmt::format("the option resume: {} taken from {}", counted(outcome.resumed_values, "value"),
                              options.run_file.string()));
  if (context.statistics != nullptr)
    if (const std::optional<std::string> warning = warning_of(statistics))
      outcome.patch.edit.warnings.push_back(*warning);
  outcome.seconds.search = std::min(stages.search_seconds(), all);
  outcome.seconds.solve = all - outcome.seconds.search;
  const std::vector<WeightSolve>& solves = outcome.patch.edit.solves;
  if (solves.empty() || solves.front().statistics_fingerprint.empty()) return;
  outcome.condition = solves.front().condition_of_moments;
  outcome.relative_ridge = solves.front().relative_ridge;
  outcome.ridge = solves.front().ridge;
  outcome.condition_with_ridge = solves.front().condition;
}

// Lays the edit on `model`, which is that of the job, for a while.
void check_edit(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
                const std::vector<FactState>& before, const CheckOptions& options, EditOutcome& outcome,
                Progress& progress) {
  const Stopwatch watch(outcome.seconds.check);
  Patch& patch = outcome.patch;
  const HeldText held(*job.model, patch, options.token_budget, job.statistics);
  const ScopedEdit scope(model, patch.edit.changes);
  const std::vector<FactState> after = measure_facts(*job.model, requests, options, progress);
  set_after(patch.edit, after);
  patch.checks = checks_of(patch, before, after, held.nll_before(), held.nll_now());
  patch.passed = passes(patch.edit, patch.checks);
}

// The run file of a method that keeps what it finds; nullptr: it keeps nothing. Throws Error(kConfig) if the
// method has nothing to resume from, and as RunFile does.
std::shared_ptr<RunFile> open_run_file(const Editor& editor, const EditRunOptions& options,
                                       Progress& progress) {
  if (options.resume && !editor.keeps_values())
    throw Error(ErrorKind::kConfig,
                fmt::format("the method {} searches no values that could be kept: it cannot resume",
                            quote(editor.name())));
  if (options.run_file.empty() || !editor.keeps_values()) return nullptr;
  auto file = std::make_shared<RunFile>(options.run_file, options.resume, options.run_file_seconds);
  if (options.resume && !file->is_stored())
    progress.note(
        fmt::format("the option resume: there is no {}, so the run begins anew", options.run_file.string()));
  return file;
}

// Throws as RunFile::identify does, for the file of another run.
void keep_values(EditJob& job, std::shared_ptr<RunFile> run_file, const EditRunOptions& options) {
  if (run_file == nullptr) return;
  job.run_file = std::move(run_file);
  identify_edit(*job.run_file, job, options);
  job.context.journal = job.run_file.get();
}

// Nothing is changed: every fact is true already, or none is within the budget. `now` is what the model says.
void finish_without_edit(const EditJob& job, const std::vector<EditRequest>& requests,
                         const std::vector<bool>& skipped, const std::vector<FactState>& before,
                         const std::vector<FactState>& now, EditOutcome& outcome) {
  Edit& edit = outcome.patch.edit;
  edit.method = job.editor->name();
  edit.objective = job.editor->objective();
  edit.options = job.editor->options();
  fill_in_skipped(edit, requests, skipped, job.context.layers);
  set_before(edit, before);
  set_after(edit, now);
  outcome.patch.checks = checks_of(outcome.patch, before, now, std::nullopt, std::nullopt);
  outcome.patch.passed = true;
}

// Those of edits that are not made.
void forget_warnings(const std::vector<std::string>& ids, std::vector<std::string>& warnings) {
  std::erase_if(warnings, [&](const std::string& warning) {
    return std::any_of(ids.begin(), ids.end(),
                       [&](const std::string& id) { return warning.starts_with("edit " + id + ": "); });
  });
}

EditOutcome run_job(const EditJob& job, Model& model, const EditRunOptions& how, Progress& progress) {
  const Patch* const below = job.below.get();
  EditOutcome outcome;
  outcome.uses_statistics = job.editor->needs_statistics();
  outcome.teaches_end = job.editor->teaches_end() && !job.context.ends.empty();
  outcome.patch = begin_patch(job);
  const CheckOptions options = check_options_of(job);
  MeasuredBase base = base_of(job, progress);
  outcome.seconds.check += base.seconds;
  std::vector<EditRequest>& requests = base.requests;
  std::vector<bool>& skipped = base.skipped;
  std::vector<FactState>& before = base.before;
  std::vector<FactState> now = before;  // before the edit, but with the patch below
  if (below) {
    const Stopwatch watch(outcome.seconds.check);
    now = skip_what_is_true(model, below->edit, requests, skipped, options, progress);
  }
  std::vector<std::string> warnings = answer_warnings(job.file->edits, requests, before, skipped);
  const std::vector<EditRequest> wanted = without(requests, skipped);
  if (wanted.empty()) {
    outcome.nothing_to_do = true;
    finish_without_edit(job, requests, skipped, before, now, outcome);
    return outcome;
  }
  // Told at once: a search for what cannot be may take hours.
  for (const std::string& told : shared_key_notes(*job.editor, wanted)) progress.note(told);
  const Statistics statistics = prepare_statistics(job, wanted, outcome, progress);
  outcome.patch.held_text = text_to_hold(job, statistics, how);
  Protection protection;
  {
    const Stopwatch watch(outcome.seconds.protection);
    outcome.protect = protection_of(*job.file, *job.editor);
    protection = protect_subjects(job, wanted, outcome.protect, options, warnings, progress);
  }
  make_edit(job, model, wanted, statistics, protection, how, outcome, progress);
  if (outcome.budget) forget_warnings(outcome.budget->left_out, warnings);
  outcome.patch.edit.warnings.insert(outcome.patch.edit.warnings.end(), warnings.begin(), warnings.end());
  if (outcome.budget) {
    leave_out(outcome.budget->left_out, requests, skipped, before);
    if (outcome.budget->in == 0 && outcome.budget->failed.empty()) {
      outcome.patch.edit = {};
      const ScopedEdit scope(model, below ? below->edit.changes : std::vector<WeightChange>());
      const std::vector<FactState> states = measure_facts(model, requests, options, progress);
      finish_without_edit(job, requests, skipped, before, states, outcome);
      return outcome;
    }
  }
  leave_out_carried(outcome.patch.edit.carried, requests, skipped, before);
  fill_in_skipped(outcome.patch.edit, requests, skipped, job.context.layers);
  if (below) put_carried_first(outcome.patch.edit, model, requests, skipped, before, options, progress);
  set_before(outcome.patch.edit, before);
  if (outcome.patch.held_text.empty()) outcome.patch.edit.warnings.push_back(drift_warning(job));
  check_edit(job, model, requests, before, options, outcome, progress);
  return outcome;
}

EditOutcome run_timed(Model& model, const EditFile& file, const EditRunOptions& options, Progress& progress) {
  double total = 0;
  EditOutcome outcome;
  {
    const Stopwatch watch(total);
    const std::unique_ptr<Editor> editor = editor_of(file, table_of(options));
    protection_of(file, *editor);  // throws for a method that cannot protect
    require_teaches_end(*editor, file.end, file.path.string());
    if (options.budget) require_budget(*options.budget, *editor);
    std::shared_ptr<RunFile> run_file = open_run_file(*editor, options, progress);
    EditJob job = make_job(model, *editor, file, options, TrialEdits::kAllowed, progress);
    plan_memory(job, options, progress);
    keep_values(job, std::move(run_file), options);
    outcome = run_job(job, model, options, progress);
    outcome.seconds.trial = job.trial_seconds;
    if (job.trial && job.trial->evidence == LayerEvidence::kDepth)
      outcome.patch.edit.warnings.push_back("layer: auto: " + decision_text(*job.trial));
    outcome.trial = std::move(job.trial);
  }
  outcome.seconds.total = total;
  return outcome;
}

}  // namespace

// A run that is stopped or finds no room on the disk leaves its values for the option resume. A search that
// fails would fail again: then nothing stays.
EditOutcome run_edit(Model& model, const EditFile& file, const EditRunOptions& options, Progress& progress) {
  try {
    return run_timed(model, file, options, progress);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNumeric && !options.run_file.empty())
      std::filesystem::remove(options.run_file);
    throw;
  }
}

std::filesystem::path patch_path_of(const EditFile& file, const std::filesystem::path& edit_file,
                                    const std::filesystem::path& folder) {
  const std::filesystem::path name =
      file.patch.empty() ? edit_file.stem().concat(".safetensors") : file.patch;
  return ((folder.empty() ? edit_file.parent_path() : folder) / name).lexically_normal();
}

std::filesystem::path run_file_of(const std::filesystem::path& patch) {
  return std::filesystem::path(patch).concat(".run");
}

std::filesystem::path statistics_folder(const Model& model, const EditFile& file) {
  if (!file.statistics.empty()) return file.statistics;
  const TokenIds prefix = row_prefix(model.tokenizer(), file.bos, file.form);
  return file.layer.layers.empty()
             ? find_decided_statistics(model, prefix)
             : find_statistics(model, prefix, wanted_statistics(file.layer.layers)).folder;
}

std::vector<std::string> failed_ids(const Edit& edit) {
  std::vector<std::string> ids;
  for (const FactRecord& fact : edit.facts)
    if (fact.status == FactStatus::kFailed) ids.push_back(fact.request.id);
  return ids;
}

}  // namespace emend
