// emend_verify, emend_drop, emend_merge, emend_inspect
#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/report.h"

namespace emend::c_api {
namespace {

// Throws Error(kUsage).
void require_patches(std::size_t count, std::size_t least) {
  if (count < least)
    throw Error(ErrorKind::kUsage, "patches: at least " + std::to_string(least) + " must be given, found " +
                                       std::to_string(count));
}

// Why verifying did not succeed.
std::string failure_of(const VerifyOutcome& outcome) {
  std::vector<std::string> reasons;
  for (const VerifiedPatch& patch : outcome.patches) {
    if (patch.passed) continue;
    const std::vector<std::string> checks = failed_checks(patch.checks);
    reasons.push_back(patch.name +
                      (checks.empty() ? " does not give what it stored" : " (" + join(checks) + ")"));
  }
  return "a check failed: " + join(reasons);
}

emend_status verify(emend_model* model, emend_patch* const* patches, std::size_t count,
                    const emend_verify_options* given, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  const ModelCall call(model);
  require_patches(count, 1);
  const std::vector<NamedPatch> named = named_patches(patches, count);
  const emend_verify_options options = options_of(given, emend_verify_options EMEND_VERIFY_OPTIONS_INIT);
  const VerifyOptions how{settled_token_budget(options.token_budget, call->model)};
  BaseRun run(call, options.progress, options.progress_data);
  const VerifyOutcome outcome = verify_patches(call->model, named, how, run.progress);
  if (json != nullptr) give_text(json, to_json(outcome, call->model));
  return outcome.passed ? EMEND_OK : note_status(EMEND_CHECK_FAILED, failure_of(outcome));
}

// `make` gives the outcome of a run with its options.
template <typename Compose>
emend_status compose(emend_model* model, const emend_compose_options* given, emend_patch** result,
                     emend_text** json, Compose make) {
  if (json != nullptr) *json = nullptr;
  require_given(result, "result");
  *result = nullptr;
  const ModelCall call(model);
  const emend_compose_options options = options_of(given, emend_compose_options EMEND_COMPOSE_OPTIONS_INIT);
  const ComposeOptions how{text_of(options.statistics, ""),
                           settled_token_budget(options.token_budget, call->model)};
  BaseRun run(call, options.progress, options.progress_data);
  const ComposeOutcome outcome = make(call->model, how, run.progress);
  if (json != nullptr) give_text(json, to_json(outcome, call->model));
  give_patch(result, outcome.patch);
  if (outcome.passed) return EMEND_OK;
  return note_status(EMEND_CHECK_FAILED, "a check failed: " + join(failed_checks(outcome.checks)));
}

emend_status inspect_model(emend_model* model, emend_patch* const* patches, std::size_t count,
                           const emend_inspect_options* given, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelCall call(model);
  const std::vector<NamedPatch> named = named_patches(patches, count);
  const emend_inspect_options options = options_of(given, emend_inspect_options EMEND_INSPECT_OPTIONS_INIT);
  const std::int64_t token_budget = settled_token_budget(options.token_budget, call->model);
  if (named.empty() && options.base == nullptr)
    throw Error(ErrorKind::kUsage, "either patches or a base must be given");
  BaseRun run(call, options.progress, options.progress_data);
  std::optional<InspectBase> base;
  if (options.base != nullptr) base = load_inspect_base(options.base, call->loading, named, run.progress);
  const InspectOutcome outcome = inspect_checkpoint(call->model, base, named, token_budget, run.progress);
  give_text(json, to_json(outcome, call->model));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_verify(emend_model* model, emend_patch* const* patches, size_t count,
                          const emend_verify_options* options, emend_text** json) {
  return guarded([&] { return verify(model, patches, count, options, json); });
}

emend_status emend_drop(emend_model* model, emend_patch* patch, const char* id,
                        const emend_compose_options* options, emend_patch** result, emend_text** json) {
  return guarded([&] {
    return compose(model, options, result, json, [&](emend::Model& base, const auto& how, auto& progress) {
      const auto object = find_object<PatchObject>(HandleKind::kPatch, patch, "patch");
      require_given(id, "id");
      return emend::drop_edit(base, {"patch", object->patch}, id, how, progress);
    });
  });
}

emend_status emend_merge(emend_model* model, emend_patch* const* patches, size_t count,
                         const emend_compose_options* options, emend_patch** result, emend_text** json) {
  return guarded([&] {
    return compose(model, options, result, json, [&](emend::Model& base, const auto& how, auto& progress) {
      require_patches(count, 2);
      return emend::merge_edits(base, named_patches(patches, count), how, progress);
    });
  });
}

emend_status emend_inspect(emend_model* model, emend_patch* const* patches, size_t count,
                           const emend_inspect_options* options, emend_text** json) {
  return guarded([&] { return inspect_model(model, patches, count, options, json); });
}
