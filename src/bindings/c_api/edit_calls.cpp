// emend_edit, emend_apply, emend_revert*
#include <c10/core/GradMode.h>

#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/edit_run.h"
#include "emend/records.h"

namespace emend::c_api {
namespace {

EditFile read_edits(const char* yaml, const emend_edit_options& options) {
  EditFile file = parse_edit_file(yaml, text_of(options.name, "edit.yaml"), text_of(options.folder, ""));
  if (options.statistics != nullptr) file.statistics = options.statistics;
  if (options.layer >= 0) file.layer = {{options.layer}, "layer " + std::to_string(options.layer)};
  return file;
}

emend_status edit(emend_model* model, const char* yaml, const emend_edit_options* given,
                  emend_patch** patch) {
  require_given(patch, "patch");
  *patch = nullptr;
  const ModelCall call(model);
  require_given(yaml, "yaml");
  const emend_edit_options options = options_of(given, emend_edit_options EMEND_EDIT_OPTIONS_INIT);
  const EditFile file = read_edits(yaml, options);
  CallbackProgress progress(options.progress, options.progress_data, &call);
  progress.poll();
  const c10::AutoGradMode gradients(true);  // whatever this thread of the host has set
  EditOutcome outcome;
  {
    const EditStack::Lifted base(call->stack);
    outcome =
        run_edit(call->model, file, {options.seed, options.token_budget, options.keep_going != 0}, progress);
  }
  const std::vector<std::string> failed = failed_ids(outcome.patch.edit);
  const auto object = std::make_shared<PatchObject>(std::move(outcome.patch));
  *patch = as_handle<emend_patch>(HandleTable::shared().add(HandleKind::kPatch, object));
  if (!failed.empty()) return note_status(EMEND_NUMERIC, "the search failed for " + join(failed));
  if (!object->patch.passed)
    return note_status(EMEND_CHECK_FAILED, "a check failed: " + join(failed_checks(object->patch.checks)));
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
  return guarded([&] { return edit(model, yaml, options, patch); });
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
