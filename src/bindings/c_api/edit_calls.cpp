// emend_edit*, emend_plan
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "base/nearest.h"
#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/records.h"
#include "emend/report.h"
#include "pipeline/drift_budget.h"

namespace emend::c_api {
namespace {

constexpr std::size_t kOldestEditOptions = offsetof(emend_edit_options, settings);

emend_edit_options edit_options(const emend_edit_options* given) {
  return options_of(given, emend_edit_options EMEND_EDIT_OPTIONS_INIT, kOldestEditOptions);
}

Protect protect_named(const std::string& text) {
  if (const auto protect = parse_protect(text)) return *protect;
  throw Error(ErrorKind::kUsage,
              fmt::format("protect must be none, neighbours or auto, found {}{}", quote(text),
                          did_you_mean(text, {"none", "neighbours", "auto"})));
}

TargetEnd end_named(const std::string& text) {
  if (const auto end = parse_target_end(text)) return *end;
  throw Error(ErrorKind::kUsage, fmt::format("end must be auto, eos or none, found {}{}", quote(text),
                                             did_you_mean(text, {"auto", "eos", "none"})));
}

// Of a layer that is not EMEND_LAYER_OF_TEXT.
LayerChoice layer_named(std::int32_t layer) {
  if (layer == EMEND_LAYER_AUTO) return {};
  if (layer == EMEND_LAYER_DEPTH) return {{}, "layer EMEND_LAYER_DEPTH"};
  if (layer < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("layer must be a layer number, EMEND_LAYER_OF_TEXT, EMEND_LAYER_DEPTH or "
                            "EMEND_LAYER_AUTO, found {}",
                            layer));
  return {{layer}, fmt::format("layer {}", layer)};
}

EditFile parse_edits(const std::string& yaml, const emend_edit_options& options) {
  EditFile file = parse_edit_file(yaml, text_of(options.name, "edit.yaml"), text_of(options.folder, ""));
  if (options.statistics != nullptr) file.statistics = options.statistics;
  if (options.bos != nullptr) file.bos = options.bos;
  if (options.method != nullptr) {
    require_method("method", options.method);
    file.method = options.method;
    file.method_where = "method";
  }
  if (options.protect != nullptr) file.protect = protect_named(options.protect);
  if (options.end != nullptr) file.end = end_named(options.end);
  if (options.layer != EMEND_LAYER_OF_TEXT) file.layer = layer_named(options.layer);
  return file;
}

EditFile read_edits(const char* yaml, const emend_edit_options& options) {
  require_given(yaml, "yaml");
  if (options.settings != nullptr)
    throw Error(ErrorKind::kUsage, "settings are for emend_edit_facts; here they belong into the YAML text");
  return parse_edits(yaml, options);
}

// "": the model's own.
std::string answer_at(const char* const* answers, std::size_t i) {
  return answers == nullptr ? "" : text_of(answers[i], "");
}

EditRequest request_of(const emend_fact& fact, const std::string& name) {
  require_given(fact.prompt, (name + ".prompt").c_str());
  require_given(fact.subject, (name + ".subject").c_str());
  require_given(fact.target, (name + ".target").c_str());
  const std::optional<int> occurrence =
      fact.occurrence == 0 ? std::nullopt : std::optional<int>(fact.occurrence);
  EditRequest request = make_request(fact.prompt, fact.subject, fact.target, occurrence);
  request.was = text_of(fact.was, "");
  request.id = text_of(fact.id, "");
  const auto named = [&](const char* field) { return name + "." + field; };
  request.paraphrases = texts_of(fact.paraphrases, fact.paraphrase_count, named("paraphrases").c_str());
  const std::vector<std::string> neighbours =
      texts_of(fact.neighbours, fact.neighbour_count, named("neighbours").c_str());
  for (std::size_t i = 0; i < neighbours.size(); ++i)
    request.neighbours.push_back({neighbours[i], answer_at(fact.neighbour_answers, i)});
  const std::vector<std::string> others = texts_of(fact.bleed, fact.bleed_count, named("bleed").c_str());
  for (std::size_t i = 0; i < others.size(); ++i)
    request.bleed.push_back({others[i], answer_at(fact.bleed_answers, i)});
  return request;
}

std::vector<EditRequest> requests_of(const emend_fact* facts, std::size_t count) {
  require_given(facts, "facts");
  const auto* place = reinterpret_cast<const unsigned char*>(facts);
  std::vector<EditRequest> requests;
  for (std::size_t i = 0; i < count; ++i, place += facts->size) {
    const std::string name = "facts[" + std::to_string(i) + "]";
    const auto* const given = reinterpret_cast<const emend_fact*>(place);
    if (given->size != facts->size)
      throw Error(ErrorKind::kUsage, name + ": its size is " + std::to_string(given->size) +
                                         ", the first one's is " + std::to_string(facts->size));
    constexpr std::size_t kOldest = offsetof(emend_fact, id);
    requests.push_back(request_of(options_of(given, emend_fact EMEND_FACT_INIT, kOldest), name));
  }
  return requests;
}

// The edits as the text of an edit file, below the settings.
EditFile read_facts(const emend_fact* facts, std::size_t count, const emend_edit_options& options) {
  const std::string edits = make_edit_file(requests_of(facts, count)).text;
  return parse_edits(options.settings == nullptr ? edits : options.settings + ("\n" + edits), options);
}

// Throws Error(kUsage) naming the field.
void require_edit_numbers(const emend_edit_options& options) {
  const auto refuse = [](const char* name, auto found) {
    throw Error(ErrorKind::kUsage, fmt::format("{} must be at least 0, found {}", name, found));
  };
  if (options.memory_bytes < 0) refuse("memory_bytes", options.memory_bytes);
  if (options.budget_batch < 0) refuse("budget_batch", options.budget_batch);
  if (!(options.run_file_seconds >= 0)) refuse("run_file_seconds", options.run_file_seconds);
  if (options.budget_batch > 0 && options.budget_drift == nullptr)
    throw Error(ErrorKind::kUsage, "budget_batch says how often budget_drift measures: give that, too");
  if (options.resume != 0 && options.run_file == nullptr)
    throw Error(ErrorKind::kUsage, "resume goes on with the values in run_file: give that, too");
}

// Those of emend_plan and emend_edit.
EditRunOptions plan_options(const emend_edit_options& options, const Model& model) {
  require_edit_numbers(options);
  EditRunOptions how;
  how.seed = options.seed;
  how.token_budget = settled_token_budget(options.token_budget, model);
  how.keep_going = options.keep_going != 0;
  how.on = text_of(options.on, "");
  how.memory_bytes = options.memory_bytes;
  return how;
}

EditRunOptions edit_run_options(const emend_edit_options& options, const Model& model) {
  constexpr std::int64_t kMostFacts = 1'000'000;
  EditRunOptions how = plan_options(options, model);
  how.run_file = text_of(options.run_file, "");
  how.resume = options.resume != 0;
  how.run_file_seconds = options.run_file_seconds;
  if (options.budget_drift == nullptr) return how;
  how.budget = parse_drift_budget(options.budget_drift);
  how.budget->batch = static_cast<int>(std::min(options.budget_batch, kMostFacts));
  return how;
}

// Throws Error(kUsage) naming the field.
void refuse_what_only_edits_have(const emend_edit_options& options) {
  const auto refuse = [](bool given, const char* name) {
    if (given) throw Error(ErrorKind::kUsage, fmt::format("{} is for edits that are made", name));
  };
  refuse(options.run_file != nullptr, "run_file");
  refuse(options.resume != 0, "resume");
  refuse(options.budget_drift != nullptr, "budget_drift");
  refuse(options.report != nullptr, "report");
}

// What is wrong with an edit that was made: a status with its text, or EMEND_OK.
emend_status status_of(const Patch& patch, const std::optional<BudgetOutcome>& budget) {
  const std::vector<std::string> failed = failed_ids(patch.edit);
  if (!failed.empty()) return note_status(EMEND_NUMERIC, "the search failed for " + join(failed));
  if (!patch.passed)
    return note_status(EMEND_CHECK_FAILED, "a check failed: " + join(failed_checks(patch.checks)));
  if (budget && !budget->left_out.empty())
    return note_status(EMEND_CHECK_FAILED, "the drift budget left out " + join(budget->left_out));
  return EMEND_OK;
}

// `read` gives the edit file of the options.
template <typename Read>
emend_status edit(emend_model* model, const emend_edit_options* given, emend_patch** patch, Read read) {
  require_given(patch, "patch");
  *patch = nullptr;
  const ModelCall call(model);
  const emend_edit_options options = edit_options(given);
  if (options.report != nullptr) *options.report = nullptr;
  const EditFile file = read(options);
  const EditRunOptions how = edit_run_options(options, call->model);
  EditOutcome outcome;
  std::string report;
  {
    BaseRun run(call, options.progress, options.progress_data);
    outcome = run_edit(call->model, file, how, run.progress);
    if (options.report != nullptr) report = to_json(outcome, call->model);
  }
  const auto object = give_patch(patch, std::move(outcome.patch));
  if (options.report != nullptr) give_text(options.report, std::move(report));
  return status_of(object->patch, outcome.budget);
}

emend_status plan(emend_model* model, const char* yaml, const emend_edit_options* given, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelCall call(model);
  const emend_edit_options options = edit_options(given);
  refuse_what_only_edits_have(options);
  const EditFile file = read_edits(yaml, options);
  const EditRunOptions how = plan_options(options, call->model);
  BaseRun run(call, options.progress, options.progress_data);
  const PlanOutcome outcome = plan_edit(call->model, file, how, run.progress);
  give_text(json, to_json(outcome, call->model));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_edit(emend_model* model, const char* yaml, const emend_edit_options* options,
                        emend_patch** patch) {
  return guarded([&] {
    return edit(model, options, patch,
                [&](const emend_edit_options& values) { return read_edits(yaml, values); });
  });
}

emend_status emend_edit_facts(emend_model* model, const emend_fact* facts, size_t count,
                              const emend_edit_options* options, emend_patch** patch) {
  return guarded([&] {
    return edit(model, options, patch,
                [&](const emend_edit_options& values) { return read_facts(facts, count, values); });
  });
}

emend_status emend_plan(emend_model* model, const char* yaml, const emend_edit_options* options,
                        emend_text** json) {
  return guarded([&] { return plan(model, yaml, options, json); });
}
