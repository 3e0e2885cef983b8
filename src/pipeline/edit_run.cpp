#include "emend/edit_run.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iterator>

#include "emend/checks.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "emend/version.h"
#include "linalg/spd_factor.h"
#include "measure/drift.h"
#include "pipeline/edit_job.h"
#include "pipeline/stage_clock.h"

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

// As the editor wrote it, in a decimal point whatever the host's locale.
double number_of(const std::string& text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// What the editor solves with: C and its ridge. Nothing when even that is not positive definite, which the
// editor refuses.
std::optional<SpdInfo> solved_with(const at::Tensor& C, double relative_ridge) {
  try {
    return SpdFactor(C, relative_ridge, "C").info();
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kBFloat16:
      return "bfloat16";
    case at::kHalf:
      return "float16";
    default:
      return at::toString(type);
  }
}

RunConditions conditions_of(const EditJob& job) {
  const at::TensorOptions options = job.model->options();
  return {job.model->devices(), dtype_name(at::typeMetaToScalarType(options.dtype())), job.context.seed,
          job.context.token_budget};
}

// Why there is nothing that drift could be measured on.
std::string drift_warning(const EditJob& job) {
  const std::string remedy = "; give `drift_text:` in the edit file to have it measured";
  if (!job.editor->needs_statistics())
    return "drift is not measured: the method uses no statistics (covariance: false), so no text was held "
           "back" +
           remedy;
  return "drift is not measured: the statistics hold back no text" + remedy;
}

EditedFact already_true(const EditRequest& request, int layer) {
  EditedFact fact;
  fact.request = request;
  fact.layer = layer;
  fact.status = "already true";
  return fact;
}

// The edit with the facts that it skipped, all in the order of `requests`.
void put_in_order(Edit& edit, const std::vector<EditRequest>& requests, int layer) {
  std::vector<EditedFact> facts;
  for (const EditRequest& request : requests) {
    const auto found = std::find_if(edit.facts.begin(), edit.facts.end(),
                                    [&](const EditedFact& fact) { return fact.request.id == request.id; });
    facts.push_back(found == edit.facts.end() ? already_true(request, layer) : std::move(*found));
  }
  edit.facts = std::move(facts);
}

std::vector<EditRequest> without(const std::vector<EditRequest>& requests, const std::vector<bool>& skipped) {
  std::vector<EditRequest> kept;
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (!skipped[i]) kept.push_back(requests[i]);
  return kept;
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
  const LayerStatistics& layer = statistics.layers.at(job.context.layer);
  outcome.statistics_source = statistics.source;
  outcome.statistics_tokens = layer.tokens;
  outcome.condition = condition_estimate(layer.C);
  if (layer.tokens < layer.C.size(0))
    progress.note("the statistics of layer " + std::to_string(job.context.layer) + " hold " +
                  std::to_string(layer.tokens) + " tokens, fewer than the key's size " +
                  std::to_string(layer.C.size(0)) +
                  ": C is singular, and only the ridge makes it solvable; collect more (emend stats --tokens)");
  const std::map<std::string, std::string> method_options = job.editor->options();
  if (const auto ridge = method_options.find("ridge"); ridge != method_options.end()) {
    outcome.relative_ridge = number_of(ridge->second);
    if (const auto solved = solved_with(layer.C, *outcome.relative_ridge)) {
      outcome.ridge = solved->ridge;
      outcome.condition_with_ridge = solved->condition;
    }
  }
  return statistics;
}

void make_edit(const EditJob& job, const std::vector<EditRequest>& requests, const Statistics& statistics,
               EditOutcome& outcome, Progress& progress) {
  EditorContext context = job.context;
  context.statistics = job.editor->needs_statistics() ? &statistics : nullptr;
  double all = 0;
  StageClock stages(progress);
  {
    const Stopwatch watch(all);
    outcome.patch.edit = job.editor->edit(*job.model, requests, context, stages);
  }
  const double search = stages.seconds_of("search");  // the stages of searching alone and jointly
  outcome.seconds.search = search > 0 ? std::min(search, all) : all;
  outcome.seconds.solve = all - outcome.seconds.search;
}

void check_edit(const EditJob& job, const std::vector<EditRequest>& requests,
                const std::vector<bool>& skipped, const CheckOptions& options, EditOutcome& outcome,
                Progress& progress) {
  const Stopwatch watch(outcome.seconds.check);
  Patch& patch = outcome.patch;
  const bool drift_known = !patch.held_text.empty();
  const std::int64_t budget = options.token_budget;
  const double base = drift_known ? mean_nll(*job.model, patch.held_text, budget) : 0;
  const ScopedEdit scope(*job.model, patch.edit.changes);
  patch.after = measure_facts(*job.model, requests, options, progress);
  std::optional<double> drift;
  if (drift_known) drift = std::exp(mean_nll(*job.model, patch.held_text, budget) - base);
  patch.checks =
      run_checks(requests, patch.after, skipped, drift, measured_tokens(patch.held_text), patch.thresholds);
  patch.passed = all_passed(patch.checks) && failed_ids(patch.edit).empty();
}

// One measurement of the base; fills `skipped` with the requests whose target is the answer already.
std::vector<FactState> measure_base(const EditJob& job, std::vector<EditRequest>& requests,
                                    std::vector<bool>& skipped, const CheckOptions& options,
                                    Progress& progress) {
  fill_present_answers(*job.model, requests, options);
  std::vector<FactState> before = measure_facts(*job.model, requests, options, progress);
  for (const FactState& state : before) skipped.push_back(state.prompt.argmax_target);
  return before;
}

}  // namespace

EditOutcome run_job(const EditJob& job, Progress& progress) {
  EditOutcome outcome;
  outcome.patch = begin_patch(job);
  CheckOptions options;
  options.prefix = job.context.prefix;
  options.form = job.context.form;
  options.token_budget = job.context.token_budget;
  std::vector<EditRequest> requests = job.file->edits;
  std::vector<bool> skipped;
  {
    const Stopwatch watch(outcome.seconds.check);
    outcome.patch.before = measure_base(job, requests, skipped, options, progress);
  }
  const std::vector<EditRequest> wanted = without(requests, skipped);
  if (wanted.empty()) {
    outcome.nothing_to_do = true;
    outcome.patch.after = outcome.patch.before;
    outcome.patch.edit.method = job.editor->name();
    outcome.patch.edit.objective = job.editor->objective();
    outcome.patch.edit.options = job.editor->options();
    put_in_order(outcome.patch.edit, requests, job.context.layer);
    outcome.patch.checks =
        run_checks(requests, outcome.patch.after, skipped, std::nullopt, 0, outcome.patch.thresholds);
    outcome.patch.passed = true;
    return outcome;
  }
  const Statistics statistics = prepare_statistics(job, wanted, outcome, progress);
  make_edit(job, wanted, statistics, outcome, progress);
  put_in_order(outcome.patch.edit, requests, job.context.layer);
  const TextRows given = held_rows(*job.model, job.context.prefix, job.file->drift_text);
  outcome.patch.held_text = given.empty() ? statistics.held_text : given;
  if (outcome.patch.held_text.empty()) outcome.patch.edit.warnings.push_back(drift_warning(job));
  check_edit(job, requests, skipped, options, outcome, progress);
  return outcome;
}

EditOutcome run_edit(Model& model, const EditFile& file, const EditRunOptions& options, Progress& progress) {
  const std::unique_ptr<Editor> editor = make_editor(file.method, file.options);
  return run_job(make_job(model, *editor, file, options, progress), progress);
}

std::vector<std::string> failed_ids(const Edit& edit) {
  std::vector<std::string> ids;
  for (const EditedFact& fact : edit.facts)
    if (fact.status == "failed") ids.push_back(fact.request.id);
  return ids;
}

}  // namespace emend
