// emend_write, emend_write_in_place, emend_restore
#include <cstddef>

#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "emend/write_back.h"

namespace emend::c_api {
namespace {

emend_write_options options_of_write(const emend_write_options* given) {
  // Before the statistics and the importance matrix were added.
  constexpr std::size_t kOldest = offsetof(emend_write_options, statistics);
  const emend_write_options options =
      options_of(given, emend_write_options EMEND_WRITE_OPTIONS_INIT, kOldest);
  require_known_flags(options.flags);
  return options;
}

// All but where the result goes.
ApplyOptions apply_options(const emend_write_options& options, const Model& model) {
  ApplyOptions apply;
  apply.type = text_of(options.type, "");
  apply.statistics = text_of(options.statistics, "");
  apply.imatrix = text_of(options.imatrix, "");
  apply.force = (options.flags & EMEND_FORCE) != 0;
  apply.check = options.check != 0;
  apply.token_budget = settled_token_budget(options.token_budget, model);
  return apply;
}

// `place` sets where the result goes, and may refuse.
template <typename Place>
emend_status write(emend_model* model, const emend_write_options* given, emend_text** report, Place place) {
  if (report != nullptr) *report = nullptr;
  const ModelCall call(model);
  const emend_write_options options = options_of_write(given);
  ApplyOptions apply = apply_options(options, call->model);
  place(apply);
  std::vector<NamedPatch> patches = patches_on(*call.operator->());
  if (patches.empty())
    throw Error(ErrorKind::kModel, "no patch is on the model, so there is nothing to write");
  CallbackProgress progress(options.progress, options.progress_data, &call);
  PreparedWrite prepared = [&] {
    const EditStack::Lifted base(call->stack);
    return prepare_write(call->model, std::move(patches), apply, progress);
  }();
  const ApplyOutcome outcome = finish_write(std::move(prepared), call->loading, apply, progress);
  if (report != nullptr) give_text(report, to_json(outcome));
  for (const emend::AppliedPatch& patch : outcome.patches)
    if (!patch.passed)
      return note_status(EMEND_CHECK_FAILED, "a check failed on " + outcome.written.string() + ": " +
                                                 join(failed_checks(patch.checks)));
  return EMEND_OK;
}

emend_status restore(const char* path, const char* undo, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  require_given(path, "path");
  const std::filesystem::path undo_file =
      undo == nullptr ? last_undo_file(path) : std::filesystem::path(undo);
  const RevertOutcome outcome{path, undo_file, emend::revert(path, undo_file)};
  if (json != nullptr) give_text(json, to_json(outcome));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_write(emend_model* model, const char* out, const emend_write_options* options,
                         emend_text** report) {
  return guarded([&] {
    return write(model, options, report, [&](emend::ApplyOptions& apply) {
      require_given(out, "out");
      apply.out = out;
    });
  });
}

emend_status emend_write_in_place(emend_model* model, const char* undo, const emend_write_options* options,
                                  emend_text** report) {
  return guarded([&] {
    return write(model, options, report, [&](emend::ApplyOptions& apply) {
      apply.in_place = true;
      apply.undo = text_of(undo, "");
    });
  });
}

emend_status emend_restore(const char* path, const char* undo, emend_text** json) {
  return guarded([&] { return restore(path, undo, json); });
}
