// emend_patch_*, emend_text_*, and what needs no handle
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/patch_algebra.h"
#include "emend/report.h"
#include "emend/version.h"

using namespace emend::c_api;

int32_t emend_abi(void) {
  return EMEND_ABI;
}

const char* emend_version(void) {
  static const std::string version = emend::emend_version();
  return version.c_str();
}

const char* emend_last_error(void) {
  return last_failure();
}

emend_status emend_patch_load(const char* path, emend_patch** patch) {
  return guarded([&] {
    require_given(patch, "patch");
    *patch = nullptr;
    require_given(path, "path");
    give_patch(patch, emend::load_patch(path));
    return EMEND_OK;
  });
}

emend_status emend_patch_save(emend_patch* patch, const char* path) {
  return guarded([&] {
    const auto object = find_object<PatchObject>(HandleKind::kPatch, patch, "patch");
    require_given(path, "path");
    if (object->patch.edit.changes.empty())
      throw emend::Error(emend::ErrorKind::kModel, "patch: it changes nothing, so there is nothing to save");
    emend::save_patch(object->patch, path);
    return EMEND_OK;
  });
}

emend_status emend_patch_report(emend_patch* patch, emend_text** json) {
  return guarded([&] {
    require_given(json, "json");
    *json = nullptr;
    const auto object = find_object<PatchObject>(HandleKind::kPatch, patch, "patch");
    give_text(json, emend::to_json(object->patch));
    return EMEND_OK;
  });
}

emend_status emend_patch_diff(emend_patch* first, emend_patch* second, emend_text** json) {
  return guarded([&] {
    require_given(json, "json");
    *json = nullptr;
    const auto a = find_object<PatchObject>(HandleKind::kPatch, first, "first");
    const auto b = find_object<PatchObject>(HandleKind::kPatch, second, "second");
    give_text(json, emend::to_json(emend::diff_patches(a->patch, b->patch)));
    return EMEND_OK;
  });
}

emend_status emend_patch_free(emend_patch* patch) {
  return guarded([&] {
    HandleTable::shared().remove(HandleKind::kPatch, as_number(patch), "patch");
    return EMEND_OK;
  });
}

// These two give a value and no status, so that a failure told before them, of the call that made the text,
// stays told; a bad handle alone replaces it.
const char* emend_text_data(emend_text* text) {
  try {
    return find_object<std::string>(HandleKind::kText, text, "text")->c_str();
  } catch (...) {
    note_failure();
    return nullptr;
  }
}

size_t emend_text_size(emend_text* text) {
  try {
    return find_object<std::string>(HandleKind::kText, text, "text")->size();
  } catch (...) {
    note_failure();
    return 0;
  }
}

emend_status emend_text_free(emend_text* text) {
  return guarded([&] {
    HandleTable::shared().remove(HandleKind::kText, as_number(text), "text");
    return EMEND_OK;
  });
}
