// emend_edit*, emend_plan, emend_apply, emend_revert*
#include <cstddef>

#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/records.h"
#include "emend/report.h"

namespace emend::c_api {
namespace {

constexpr std::size_t kOldestEditOptions = offsetof(emend_edit_options, settings);

emend_edit_options edit_options(const emend_edit_options* given) {
  return options_of(given, emend_edit_options EMEND_EDIT_OPTIONS_INIT, kOldestEditOptions);
}

EditFile parse_edits(const std::string& yaml, const emend_edit_options& options) {
  EditFile file = parse_edit_file(yaml, text_of(options.name, "edit.yaml"), text_of(options.folder, ""));
  if (options.statistics != nullptr) file.statistics = options.statistics;
  if (options.bos != nullptr) file.bos = options.bos;
  if (options.method != nullptr) {
    require_method("method", options.method);
    file.method = options.method;
  }
  if (options.layer >= 0) file.layer = {{options.layer}, "layer " + std::to_string(options.layer)};
  return file;
}

EditFile read_edits(const char* yaml, const emend_edit_options& options) {
  require_given(yaml, "yaml");
  if (options.settings != nullptr)
    throw Error(ErrorKind::kUsage, "settings are for emend_edit_facts; here they belong into the YAML text");
  return parse_edits(yaml, options);
}

EditRequest request_of(const emend_fact& fact, const std::string& name) {
  require_given(fact.prompt, (name + ".prompt").c_str());
  require_given(fact.subject, (name + ".subject").c_str());
  require_given(fact.target, (name + ".target").c_str());
  const std::optional<int> occurrence =
      fact.occurrence == 0 ? std::nullopt : std::optional<int>(fact.occurrence);
  EditRequest request = make_request(fact.prompt, fact.subject, fact.target, occurrence);
  request.was = text_of(fact.was, "");
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
    requests.push_back(request_of(options_of(given, emend_fact EMEND_FACT_INIT), name));
  }
  return requests;
}

// The edits as the text of an edit file, below the settings.
EditFile read_facts(const emend_fact* facts, std::size_t count, const emend_edit_options& options) {
  const std::string edits = make_edit_file(requests_of(facts, count)).text;
  return parse_edits(options.settings == nullptr ? edits : options.settings + ("\n" + edits), options);
}

EditRunOptions run_options(const emend_edit_options& options) {
  return {options.seed, options.token_budget, options.keep_going != 0, nullptr, text_of(options.on, "")};
}

// `read` gives the edit file of the options.
template <typename Read>
emend_status edit(emend_model* model, const emend_edit_options* given, emend_patch** patch, Read read) {
  require_given(patch, "patch");
  *patch = nullptr;
  const ModelCall call(model);
  const emend_edit_options options = edit_options(given);
  const EditFile file = read(options);
  EditOutcome outcome;
  {
    BaseRun run(call, options.progress, options.progress_data);
    outcome = run_edit(call->model, file, run_options(options), run.progress);
  }
  const std::vector<std::string> failed = failed_ids(outcome.patch.edit);
  const auto object = give_patch(patch, std::move(outcome.patch));
  if (!failed.empty()) return note_status(EMEND_NUMERIC, "the search failed for " + join(failed));
  if (!object->patch.passed)
    return note_status(EMEND_CHECK_FAILED, "a check failed: " + join(failed_checks(object->patch.checks)));
  return EMEND_OK;
}

emend_status plan(emend_model* model, const char* yaml, const emend_edit_options* given, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelCall call(model);
  const emend_edit_options options = edit_options(given);
  const EditFile file = read_edits(yaml, options);
  BaseRun run(call, options.progress, options.progress_data);
  const PlanOutcome outcome = plan_edit(call->model, file, run_options(options), run.progress);
  give_text(json, to_json(outcome, call->model));
  return EMEND_OK;
}

emend_status apply(emend_model* model, emend_patch* patch, std::uint32_t flags) {
  const ModelCall call(model);
  const auto object = find_object<PatchObject>(HandleKind::kPatch, patch, "patch");
  require_known_flags(flags);
  if (object->patch.edit.changes.empty()) return EMEND_OK;
  require_base(object->patch, call->model, "patch");
  if (!object->patch.passed && (flags & EMEND_FORCE) == 0)
    throw Error(ErrorKind::kModel, "patch: it is marked as failed (" +
                                       join(failed_checks(object->patch.checks)) +
                                       "); EMEND_FORCE applies it all the same");
  if (call->applied.count(object->identity) != 0)
    throw Error(ErrorKind::kModel, "patch: it is on the model already");
  const auto place = call->applied.emplace(object->identity, AppliedPatch{0, object}).first;
  try {
    place->second.number = call->stack.push(object->patch.edit.changes);
  } catch (...) {
    call->applied.erase(place);
    throw;
  }
  return EMEND_OK;
}

emend_status revert(emend_model* model, emend_patch* patch) {
  const ModelCall call(model);
  const auto object = find_object<PatchObject>(HandleKind::kPatch, patch, "patch");
  if (object->patch.edit.changes.empty()) return EMEND_OK;
  const auto place = call->applied.find(object->identity);
  if (place == call->applied.end()) throw Error(ErrorKind::kModel, "patch: it is not on the model");
  call->stack.remove(place->second.number);
  call->applied.erase(place);
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

emend_status emend_apply(emend_model* model, emend_patch* patch, uint32_t flags) {
  return guarded([&] { return apply(model, patch, flags); });
}

emend_status emend_revert(emend_model* model, emend_patch* patch) {
  return guarded([&] { return revert(model, patch); });
}

emend_status emend_revert_all(emend_model* model) {
  return guarded([&] {
    const ModelCall call(model);
    call->stack.clear();
    call->applied.clear();
    return EMEND_OK;
  });
}
