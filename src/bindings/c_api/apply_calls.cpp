// emend_apply, emend_revert*
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/patch_run.h"

namespace emend::c_api {
namespace {

// Throws Error(kModel) for a patch that is marked as failed, and for one that overlaps one on the model.
// Whether those on the model may lie there was decided when they were laid.
void require_usable_over(const NamedPatch& patch, const ModelObject& object, bool force) {
  require_usable({patch}, force);
  for (const NamedPatch& below : patches_on(object)) {
    std::vector<NamedPatch> both = {below, patch};
    for (NamedPatch& one : both) one.patch.passed = true;
    require_usable(both, force);
  }
}

emend_status apply(emend_model* model, emend_patch* patch, std::uint32_t flags) {
  const ModelCall call(model);
  const auto object = find_object<PatchObject>(HandleKind::kPatch, patch, "patch");
  require_known_flags(flags);
  if (object->patch.edit.changes.empty()) return EMEND_OK;
  require_base(object->patch, call->model, "patch");
  if (call->applied.count(object->identity) != 0)
    throw Error(ErrorKind::kModel, "patch: it is on the model already");
  require_usable_over({"patch", object->patch}, *call.operator->(), (flags & EMEND_FORCE) != 0);
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
