// emend_write
#include <algorithm>

#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/patch_algebra.h"
#include "emend/write_back.h"
#include "pipeline/patch_checks.h"
#include "pipeline/result_json.h"
#include "pipeline/written_json.h"

namespace emend::c_api {
namespace {

// As they lie over each other.
std::vector<Patch> patches_on(const ModelObject& object) {
  std::map<std::uint64_t, const Patch*> order;
  for (const auto& [identity, applied] : object.applied) order.emplace(applied.number, &applied.patch->patch);
  std::vector<Patch> patches;
  for (const auto& [number, patch] : order) patches.push_back(*patch);
  return patches;
}

void require_passed(const std::vector<Patch>& patches) {
  for (const Patch& patch : patches)
    if (!patch.passed)
      throw Error(ErrorKind::kModel, "a patch on the model is marked as failed (" +
                                         join(failed_checks(patch.checks)) +
                                         "); EMEND_FORCE writes it all the same");
}

void require_no_overlap(const std::vector<Patch>& patches) {
  for (const KeyConflict& conflict : key_conflicts(patches, kSameKey))
    throw Error(ErrorKind::kModel, "patches on the model overlap: the edits " + quote(conflict.first_id) +
                                       " and " + quote(conflict.second_id) + " write the same key at layer " +
                                       std::to_string(conflict.layer) +
                                       ", and their updates would add up; take one off, or EMEND_FORCE");
}

emend_write_options options_of_write(const emend_write_options* given) {
  const emend_write_options options = options_of(given, emend_write_options EMEND_WRITE_OPTIONS_INIT);
  require_known_flags(options.flags);
  if (options.token_budget < 1)
    throw Error(ErrorKind::kUsage,
                "the token budget must be at least 1, found " + std::to_string(options.token_budget));
  return options;
}

// Mean nll of each patch's held text on the model as it was loaded.
std::vector<std::optional<double>> base_nlls(ModelObject& object, const std::vector<Patch>& patches,
                                             std::int64_t token_budget) {
  const EditStack::Lifted base(object.stack);
  std::vector<std::optional<double>> all;
  for (const Patch& patch : patches) all.push_back(held_nll(object.model, patch, token_budget));
  return all;
}

using ChecksOfPatches = std::vector<std::vector<CheckResult>>;

// What `patches` ask for, on a model.
ChecksOfPatches check_all(const Model& written, const std::vector<Patch>& patches,
                          const std::vector<std::optional<double>>& base_nll, std::int64_t token_budget,
                          Progress& progress) {
  ChecksOfPatches all;
  for (std::size_t i = 0; i < patches.size(); ++i)
    all.push_back(checks_of(patches[i], measure_patch(written, patches[i], token_budget, progress),
                            base_nll[i], held_nll(written, patches[i], token_budget)));
  return all;
}

// `checks`: empty when they were not asked for.
ResultJson report_json(const WritePlan& plan, const std::filesystem::path& written, std::size_t patches,
                       const ChecksOfPatches& checks) {
  ResultJson list = ResultJson::array();
  for (std::size_t i = 0; i < patches; ++i) {
    ResultJson record = {{"stored", realised_json(plan, i)}, {"checks", nullptr}, {"passed", nullptr}};
    if (!checks.empty()) {
      record["checks"] = checks_json(checks[i]);
      record["passed"] = all_passed(checks[i]);
    }
    list.push_back(record);
  }
  ResultJson json = {{"written", written.string()},
                     {"tensors", written_tensors_json(plan)},
                     {"patches", list},
                     {"passed", nullptr}};
  if (!checks.empty()) json["passed"] = std::all_of(checks.begin(), checks.end(), all_passed);
  return json;
}

emend_status write(emend_model* model, const char* out, const emend_write_options* given,
                   emend_text** report) {
  if (report != nullptr) *report = nullptr;
  const ModelCall call(model);
  require_given(out, "out");
  const emend_write_options options = options_of_write(given);
  const std::vector<Patch> patches = patches_on(*call.operator->());
  if (patches.empty())
    throw Error(ErrorKind::kModel, "no patch is on the model, so there is nothing to write");
  const bool force = (options.flags & EMEND_FORCE) != 0;
  if (!force) {
    require_passed(patches);
    require_no_overlap(patches);
  }
  CallbackProgress progress(options.progress, options.progress_data, &call);
  const WritePlan plan = plan_write(call->model, patches, text_of(options.type, ""));
  if (!force) require_holds(plan);
  std::vector<std::optional<double>> base_nll;
  if (options.check != 0) base_nll = base_nlls(*call.operator->(), patches, options.token_budget);
  progress.poll();
  const std::filesystem::path written = write_new(plan, out);
  ChecksOfPatches checks;
  if (options.check != 0)
    checks = check_all(Model::load(written, call->loading, progress), patches, base_nll, options.token_budget,
                       progress);
  if (report != nullptr) give_text(report, dump_json(report_json(plan, written, patches.size(), checks)));
  for (const std::vector<CheckResult>& of_patch : checks)
    if (!all_passed(of_patch))
      return note_status(EMEND_CHECK_FAILED,
                         "a check failed on " + written.string() + ": " + join(failed_checks(of_patch)));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_write(emend_model* model, const char* out, const emend_write_options* options,
                         emend_text** report) {
  return guarded([&] { return write(model, out, options, report); });
}
