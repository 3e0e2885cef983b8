#include "emend/edit_run.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "analysis/prompt_rows.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/checks.h"
#include "emend/error.h"
#include "emend/generate.h"
#include "emend/judge.h"
#include "emend/version.h"
#include "measure/drift.h"
#include "pipeline/edit_job.h"
#include "pipeline/patch_checks.h"

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
  return {job.model->devices(), to_string(job.model->compute_type()), job.context.seed,
          job.context.token_budget};
}

// Why there is nothing that drift could be measured on.
std::string drift_warning(const EditJob& job) {
  const std::string remedy = "; give `drift_text:` in the edit file to have it measured";
  if (!job.editor->needs_statistics())
    return "drift is not measured: the method uses no statistics (C = I), so no text was held back" + remedy;
  return "drift is not measured: the statistics have no text that all of their layers left out" + remedy;
}

// A fact that is left alone, with where it would have been written.
FactRecord already_true(const EditRequest& request, const std::vector<int>& layers) {
  FactRecord fact;
  fact.request = request;
  fact.status = FactStatus::kAlreadyTrue;
  for (const int layer : layers) {
    FactPart part;
    part.weight.block = layer;
    fact.parts.push_back(std::move(part));
  }
  return fact;
}

// The facts of all requests: those that were edited, in their order, and among them those that were skipped.
void fill_in_skipped(Edit& edit, const std::vector<EditRequest>& requests, const std::vector<bool>& skipped,
                     const std::vector<int>& layers) {
  std::vector<FactRecord> facts;
  auto edited = edit.facts.begin();
  for (std::size_t i = 0; i < requests.size(); ++i)
    facts.push_back(skipped[i] ? already_true(requests[i], layers) : std::move(*edited++));
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
  for (const int l : job.context.layers) {
    const LayerStatistics& layer = statistics.layers.at(l);
    outcome.statistics.push_back({l, layer.tokens, layer.origin.source, layer.origin.fingerprint});
    if (!layer.is_diagonal() && layer.tokens < layer.C.size(0))
      progress.note(
          fmt::format("the statistics of layer {} hold {} tokens, fewer than the key's size {}: C is "
                      "singular, and only the ridge makes it solvable; collect more with `emend stats`",
                      l, layer.tokens, layer.C.size(0)));
  }
  return statistics;
}

// The edit, made on a model that has the changes of the earlier patch on it.
void make_edit(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
               const Statistics& statistics, EditOutcome& outcome, Progress& progress) {
  const ScopedEdit scope(model, job.below ? job.below->edit.changes : std::vector<WeightChange>());
  EditorContext context = job.context;
  context.statistics = job.editor->needs_statistics() ? &statistics : nullptr;
  double all = 0;
  StageClock stages(progress);
  {
    const Stopwatch watch(all);
    outcome.patch.edit = job.editor->edit(*job.model, requests, context, stages);
  }
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
                const std::vector<bool>& skipped, const CheckOptions& options, EditOutcome& outcome,
                Progress& progress) {
  const Stopwatch watch(outcome.seconds.check);
  Patch& patch = outcome.patch;
  const bool drift_known = !patch.held_text.empty();
  const std::int64_t budget = options.token_budget;
  const double base = drift_known ? mean_nll(*job.model, patch.held_text, budget) : 0;
  const ScopedEdit scope(model, patch.edit.changes);
  const std::vector<FactState> after = measure_facts(*job.model, requests, options, progress);
  set_after(patch.edit, after);
  std::optional<double> drift;
  if (drift_known) drift = std::exp(mean_nll(*job.model, patch.held_text, budget) - base);
  patch.checks =
      run_checks(requests, after, skipped, drift, measured_tokens(patch.held_text), patch.thresholds);
  patch.passed = passes(patch.edit, patch.checks);
}

// A model that goes on from the target to a longer present answer does not say the target.
bool is_already_true(const EditRequest& request, const FactState& state) {
  if (begin_alike(request.target, request.was)) return judge(request, state).holds;
  return state.prompt.argmax_target;
}

// One measurement of the base; fills `skipped` with the requests whose target is the answer already.
std::vector<FactState> measure_base(const EditJob& job, std::vector<EditRequest>& requests,
                                    std::vector<bool>& skipped, const CheckOptions& options,
                                    Progress& progress) {
  fill_present_answers(*job.model, requests, options);
  std::vector<FactState> before = measure_facts(*job.model, requests, options, progress);
  for (std::size_t i = 0; i < requests.size(); ++i)
    skipped.push_back(is_already_true(requests[i], before[i]));
  return before;
}

// The requests of an edit by what a later one replaces them by.
class ReplaceableFacts {
 public:
  explicit ReplaceableFacts(const Edit& edit) {
    for (const FactRecord& fact : edit.facts) {
      by_id_.emplace(fact.request.id, &fact.request);
      by_prompt_.emplace(fact.request.prompt, &fact.request);
    }
  }

  // Whether one of them is another request under this id or prompt, which this request replaces.
  bool holds_another(const EditRequest& request) const {
    const auto differs = [&](const auto& entry) {
      const EditRequest& other = *entry.second;
      return other.prompt != request.prompt || other.subject_begin != request.subject_begin ||
             other.subject != request.subject || other.target != request.target;
    };
    const auto [id_begin, id_end] = by_id_.equal_range(request.id);
    const auto [prompt_begin, prompt_end] = by_prompt_.equal_range(request.prompt);
    return std::any_of(id_begin, id_end, differs) || std::any_of(prompt_begin, prompt_end, differs);
  }

 private:
  std::unordered_multimap<std::string_view, const EditRequest*> by_id_, by_prompt_;
};

// The requests whose target is the answer already with the changes of `below` on the model. One that replaces
// a fact of `below` is edited all the same: that fact must not stay. Returns what the model says then.
std::vector<FactState> skip_what_is_true(Model& model, const Edit& below,
                                         const std::vector<EditRequest>& requests, std::vector<bool>& skipped,
                                         const CheckOptions& options, Progress& progress) {
  const ScopedEdit scope(model, below.changes);
  std::vector<FactState> now = measure_facts(model, requests, options, progress);
  const ReplaceableFacts earlier(below);
  for (std::size_t i = 0; i < requests.size(); ++i)
    skipped[i] = is_already_true(requests[i], now[i]) && !earlier.holds_another(requests[i]);
  return now;
}

// Takes out the requests that were skipped because they are among the carried facts.
void leave_out_carried(const std::vector<FactRecord>& carried, std::vector<EditRequest>& requests,
                       std::vector<bool>& skipped, std::vector<FactState>& before) {
  std::set<std::string> ids;
  for (const FactRecord& fact : carried) ids.insert(fact.request.id);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (skipped[i] && ids.contains(requests[i].id)) continue;
    std::swap(requests[kept], requests[i]);
    std::swap(before[kept], before[i]);
    skipped[kept] = skipped[i];
    ++kept;
  }
  requests.resize(kept);
  before.resize(kept);
  skipped.resize(kept);
}

// The facts that were carried from the patch below, in front of the new ones, with what is known of them.
void put_carried_first(Edit& edit, const Model& model, std::vector<EditRequest>& requests,
                       std::vector<bool>& skipped, std::vector<FactState>& before,
                       const CheckOptions& options, Progress& progress) {
  std::vector<EditRequest> carried;
  std::vector<bool> true_already;
  for (const FactRecord& fact : edit.carried) {
    carried.push_back(fact.request);
    true_already.push_back(fact.status == FactStatus::kAlreadyTrue);
  }
  const std::vector<FactState> states = measure_facts(model, carried, options, progress);
  requests.insert(requests.begin(), carried.begin(), carried.end());
  skipped.insert(skipped.begin(), true_already.begin(), true_already.end());
  before.insert(before.begin(), states.begin(), states.end());
  edit.facts.insert(edit.facts.begin(), edit.carried.begin(), edit.carried.end());
  edit.carried.clear();
  edit.replaces_earlier = false;  // from here on it stands for itself
}

const EditorTable& table_of(const EditRunOptions& options) {
  return options.editors != nullptr ? *options.editors : known_editors();
}

EditOutcome run_job(const EditJob& job, Model& model, Progress& progress) {
  const Patch* const below = job.below.get();
  EditOutcome outcome;
  outcome.uses_statistics = job.editor->needs_statistics();
  outcome.patch = begin_patch(job);
  CheckOptions options;
  options.prefix = job.context.prefix;
  options.form = job.context.form;
  options.token_budget = job.context.token_budget;
  std::vector<EditRequest> requests = job.file->edits;
  std::vector<bool> skipped;
  std::vector<FactState> before, now;  // `now`: before the edit, but with the patch below
  {
    const Stopwatch watch(outcome.seconds.check);
    before = now = measure_base(job, requests, skipped, options, progress);
    if (below) now = skip_what_is_true(model, below->edit, requests, skipped, options, progress);
  }
  const std::vector<EditRequest> wanted = without(requests, skipped);
  if (wanted.empty()) {
    outcome.nothing_to_do = true;
    outcome.patch.edit.method = job.editor->name();
    outcome.patch.edit.objective = job.editor->objective();
    outcome.patch.edit.options = job.editor->options();
    fill_in_skipped(outcome.patch.edit, requests, skipped, job.context.layers);
    set_before(outcome.patch.edit, before);
    set_after(outcome.patch.edit, now);
    outcome.patch.checks = run_checks(requests, now, skipped, std::nullopt, 0, outcome.patch.thresholds);
    outcome.patch.passed = true;
    return outcome;
  }
  const Statistics statistics = prepare_statistics(job, wanted, outcome, progress);
  make_edit(job, model, wanted, statistics, outcome, progress);
  leave_out_carried(outcome.patch.edit.carried, requests, skipped, before);
  fill_in_skipped(outcome.patch.edit, requests, skipped, job.context.layers);
  if (below) put_carried_first(outcome.patch.edit, model, requests, skipped, before, options, progress);
  set_before(outcome.patch.edit, before);
  const TextRows given = held_rows(*job.model, job.context.prefix, job.file->drift_text);
  outcome.patch.held_text = given.empty() ? statistics.held_text : given;
  if (outcome.patch.held_text.empty()) outcome.patch.edit.warnings.push_back(drift_warning(job));
  check_edit(job, model, requests, skipped, options, outcome, progress);
  return outcome;
}

}  // namespace

EditOutcome run_edit(Model& model, const EditFile& file, const EditRunOptions& options, Progress& progress) {
  double total = 0;
  EditOutcome outcome;
  {
    const Stopwatch watch(total);
    const std::unique_ptr<Editor> editor = make_editor(file.method, file.options, table_of(options));
    outcome = run_job(make_job(model, *editor, file, options, progress), model, progress);
  }
  outcome.seconds.total = total;
  return outcome;
}

PlanOutcome plan_edit(const Model& model, const EditFile& file, const EditRunOptions& options,
                      Progress& progress) {
  const std::unique_ptr<Editor> editor = make_editor(file.method, file.options, table_of(options));
  const EditJob job = make_job(model, *editor, file, options, progress);
  PlanOutcome outcome{editor->name(), editor->objective(),  editor->options(),  editor->needs_statistics(),
                      true,           job.statistics,       job.context.layers, {},
                      file.edits,     model.config().layers};
  Statistics statistics;
  if (outcome.uses_statistics) {
    statistics = load_statistics(model, job.context.layers, job.context.prefix, job.statistics);
    outcome.has_statistics = !statistics.layers.empty();
    for (const std::string& note : notes_on(statistics)) progress.note(note);
  }
  if (outcome.has_statistics) {
    outcome.plan = plan_job(job, file.edits, outcome.uses_statistics ? &statistics : nullptr);
    if (const std::optional<std::string> warning = warning_of(statistics))
      outcome.plan.warnings.push_back(*warning);
  } else {
    for (const EditRequest& request : file.edits)
      outcome.plan.entries.push_back({request.id, job.context.layers, 0, 0, {}, 0, 0});
  }
  return outcome;
}

std::filesystem::path statistics_folder(const Model& model, const EditFile& file) {
  if (!file.statistics.empty()) return file.statistics;
  return default_statistics_folder(model, row_prefix(model.tokenizer(), file.bos, file.form));
}

std::vector<std::string> failed_ids(const Edit& edit) {
  std::vector<std::string> ids;
  for (const FactRecord& fact : edit.facts)
    if (fact.status == FactStatus::kFailed) ids.push_back(fact.request.id);
  return ids;
}

}  // namespace emend
