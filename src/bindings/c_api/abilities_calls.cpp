// emend_abilities
#include "base/dump_json.h"
#include "base/files.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/abilities.h"
#include "reports/abilities_report.h"

namespace emend::c_api {
namespace {

AbilityOptions ability_options(const emend_abilities_options& options, const Model& model) {
  if (options.draws < 1)
    throw Error(ErrorKind::kUsage, "draws must be at least 1, found " + std::to_string(options.draws));
  return {text_of(options.bos, "auto"),
          settled_token_budget(options.token_budget, model),
          {options.seed, options.draws}};
}

emend_status abilities(emend_model* model, const char* const* files, std::size_t file_count,
                       emend_patch* const* patches, std::size_t patch_count,
                       const emend_abilities_options* given, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelCall call(model);
  const std::vector<std::string> paths = texts_of(files, file_count, "files");
  if (paths.empty()) throw Error(ErrorKind::kUsage, "files: at least 1 must be given, found 0");
  const std::vector<NamedPatch> named = named_patches(patches, patch_count);
  const emend_abilities_options options =
      options_of(given, emend_abilities_options EMEND_ABILITIES_OPTIONS_INIT);
  const AbilityOptions how = ability_options(options, call->model);
  if (options.out != nullptr) require_writable_folder(options.out);
  const std::vector<AbilityTask> tasks = read_ability_tasks({paths.begin(), paths.end()});
  BaseRun run(call, options.progress, options.progress_data);
  std::vector<std::string> names;
  const std::vector<std::string> warnings = require_stack(named, call->model);
  for (const NamedPatch& patch : named) names.push_back(patch.name);
  const AbilityOutcome outcome = measure_abilities(call->model, tasks, changes_of(named), how, run.progress);
  if (options.out != nullptr) write_abilities(options.out, outcome, tasks, names, call->model);
  ResultJson report = abilities_json(outcome, names, call->model);
  report["warnings"] = warnings;
  give_text(json, dump_json(report));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_abilities(emend_model* model, const char* const* files, size_t file_count,
                             emend_patch* const* patches, size_t patch_count,
                             const emend_abilities_options* options, emend_text** json) {
  return guarded([&] { return abilities(model, files, file_count, patches, patch_count, options, json); });
}
