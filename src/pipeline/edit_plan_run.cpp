// What an edit would do, without doing it: `emend edit --dry-run`.
#include <memory>
#include <optional>
#include <utility>

#include "analysis/moments_in_file.h"
#include "analysis/statistics_place.h"
#include "emend/edit_run.h"
#include "measure/drift.h"
#include "model/block_reader.h"
#include "pipeline/answer_warnings.h"
#include "pipeline/edit_job.h"
#include "pipeline/skipped_facts.h"

namespace emend {

namespace {

// Those of the edit whose files are not in its folder.
std::vector<int> layers_without_statistics(const EditJob& job) {
  const auto present = load_origins(*job.model, job.context.layers, job.context.prefix, job.statistics);
  std::vector<int> missing;
  for (const int layer : job.context.layers)
    if (!present.contains(layer)) missing.push_back(layer);
  return missing;
}

}  // namespace

PlanOutcome plan_edit(const Model& model, const EditFile& file, const EditRunOptions& options,
                      Progress& progress) {
  const std::unique_ptr<Editor> editor = editor_of(file, table_of(options));
  require_teaches_end(*editor, file.end, file.path.string());
  EditJob job = make_job(model, *editor, file, options, TrialEdits::kNone, progress);
  job.context.cache = nullptr;  // it would keep factors on disk, and a plan writes nothing
  std::optional<EditMemory> memory = plan_memory(job, options, progress);
  PlanOutcome outcome{editor->name(), editor->objective(),   editor->options(),  editor->needs_statistics(),
                      true,           job.statistics,        job.context.layers, {},
                      file.edits,     model.config().layers, std::move(memory)};
  outcome.trial_layers = job.planned.layers;
  if (!outcome.trial_layers.empty()) outcome.trial_facts = job.planned.ids;
  outcome.blocks_read_again = model.first_kept_block();
  if (outcome.blocks_read_again > 0) outcome.seconds_a_block = model.weights().reader->seconds_a_block();
  const CheckOptions how = check_options_of(job);
  MeasuredBase base = base_of(job, progress);
  const std::vector<EditRequest> requests = std::move(base.requests);
  outcome.before = std::move(base.before);
  outcome.already_true = std::move(base.skipped);
  if (job.below) {
    Model own = model.share();
    skip_what_is_true(own, job.below->edit, requests, outcome.already_true, how, progress);
  }
  outcome.plan.warnings = answer_warnings(file.edits, requests, outcome.before, outcome.already_true);
  outcome.edits = requests;
  Statistics statistics;
  if (outcome.uses_statistics) {
    statistics = load_statistics_in_file(model, job.context.layers, job.context.prefix, job.statistics);
    outcome.has_statistics = !statistics.layers.empty();
    if (!outcome.has_statistics) outcome.layers_without_statistics = layers_without_statistics(job);
    for (const std::string& note : notes_on(statistics)) progress.note(note);
  }
  const Protect protect = protection_of(file, *editor);
  Protection protection;
  if (outcome.has_statistics) {
    std::vector<std::string> warnings = std::move(outcome.plan.warnings);
    protection = protect_subjects(job, requests, protect, how, warnings, progress);
    if (protect != Protect::kNone) job.context.protection = &protection;
    outcome.plan = plan_job(job, file.edits, outcome.uses_statistics ? &statistics : nullptr);
    outcome.plan.warnings.insert(outcome.plan.warnings.end(), warnings.begin(), warnings.end());
    if (const std::optional<std::string> warning = warning_of(statistics))
      outcome.plan.warnings.push_back(*warning);
  } else {
    for (const EditRequest& request : file.edits)
      outcome.plan.entries.push_back({request.id, job.context.layers, 0, 0, {}, 0, 0});
  }
  return outcome;
}

}  // namespace emend
