// emend_memories*
#include <fmt/format.h>

#include <optional>
#include <string_view>

#include "base/dump_json.h"
#include "base/strings.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/memory_analyses.h"
#include "bindings/c_api/objects.h"

namespace emend::c_api {
namespace {

// The function that an analysis is called by.
const char* function_of(AnalysisNeeds needs) {
  switch (needs) {
    case AnalysisNeeds::kTwoModels:
      return "emend_memories_compare";
    case AnalysisNeeds::kModelAndPatches:
      return "emend_memories_footprint";
    case AnalysisNeeds::kModelForPatch:
      return "emend_memories_bake";
    default:
      return "emend_memories";
  }
}

bool has_own_function(AnalysisNeeds needs) {
  return std::string_view(function_of(needs)) != function_of(AnalysisNeeds::kModel);
}

emend_watch watch_of(const emend_watch* given) {
  return options_of(given, emend_watch EMEND_WATCH_INIT);
}

emend_status analyse(emend_model* model, const char* name, const char* options, const emend_watch* watching,
                     emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  require_given(name, "analysis");
  const MemoryAnalysis& analysis = analysis_named(name);
  if (has_own_function(analysis.needs))
    throw Error(ErrorKind::kUsage, fmt::format("analysis: {} has a function of its own, {}", analysis.name,
                                               function_of(analysis.needs)));
  if (analysis.needs == AnalysisNeeds::kNoModel && model != nullptr)
    throw Error(ErrorKind::kUsage, fmt::format("model: {} reads an index alone; give NULL", analysis.name));
  const emend_watch watch = watch_of(watching);
  if (model == nullptr && analysis.needs != AnalysisNeeds::kModel) {
    CallbackProgress progress(watch.progress, watch.progress_data, nullptr);
    AnalysisInput input;
    input.progress = &progress;
    give_text(json, dump_json(prepared_analysis(analysis, options)(input).json));
    return EMEND_OK;
  }
  const ModelCall call(model);
  const AnalysisRun work = prepared_analysis(analysis, options);
  BaseRun run(call, watch.progress, watch.progress_data);
  give_text(json, dump_json(work({&call->model, nullptr, {}, &run.progress}).json));
  return EMEND_OK;
}

// Models in the order in which every call takes its turns with two of them, so that no two calls wait for
// each other.
class ModelPair {
 public:
  ModelPair(const emend_model* first, const emend_model* second)
      : swapped_(as_number(second) < as_number(first)),
        low_(swapped_ ? second : first, swapped_ ? "second" : "first") {
    if (first != second) high_.emplace(swapped_ ? first : second, swapped_ ? "first" : "second");
  }

  const ModelCall& first() const { return swapped_ ? *high_ : low_; }
  const ModelCall& second() const { return swapped_ || !high_ ? low_ : *high_; }

 private:
  bool swapped_;
  ModelCall low_;
  std::optional<ModelCall> high_;
};

emend_status compare_models(emend_model* first, emend_model* second, const char* options,
                            const emend_watch* watching, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelPair models(first, second);
  const AnalysisRun work = prepared_analysis(analysis_named("compare"), options);
  const emend_watch watch = watch_of(watching);
  BaseRun run(models.first(), watch.progress, watch.progress_data, &models.second());
  std::optional<EditStack::Lifted> other;
  if (first != second) other.emplace(models.second()->stack);
  AnalysisInput input{&models.first()->model, &models.second()->model, {}, &run.progress};
  give_text(json, dump_json(work(input).json));
  return EMEND_OK;
}

emend_status footprint(emend_model* model, emend_patch* const* patches, std::size_t count,
                       const char* options, const emend_watch* watching, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelCall call(model);
  if (count < 1) throw Error(ErrorKind::kUsage, "patches: at least 1 must be given, found 0");
  std::vector<NamedPatch> named = named_patches(patches, count);
  const AnalysisRun work = prepared_analysis(analysis_named("footprint"), options);
  const emend_watch watch = watch_of(watching);
  BaseRun run(call, watch.progress, watch.progress_data);
  give_text(json, dump_json(work({&call->model, nullptr, std::move(named), &run.progress}).json));
  return EMEND_OK;
}

emend_status bake(emend_model* model, const char* options, const emend_watch* watching, emend_patch** patch,
                  emend_text** json) {
  if (json != nullptr) *json = nullptr;
  require_given(patch, "patch");
  *patch = nullptr;
  const ModelCall call(model);
  const AnalysisRun work = prepared_analysis(analysis_named("bake"), options);
  const emend_watch watch = watch_of(watching);
  std::optional<BaseRun> run(std::in_place, call, watch.progress, watch.progress_data);
  AnalysisResult result = work({&call->model, nullptr, {}, &run->progress});
  run.reset();
  const auto object = give_patch(patch, std::move(*result.patch));
  if (json != nullptr) give_text(json, dump_json(result.json));
  if (object->patch.passed) return EMEND_OK;
  return note_status(EMEND_CHECK_FAILED, "a check failed: " + join(failed_checks(object->patch.checks)));
}

emend_status list_analyses(emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  ResultJson list = ResultJson::object();
  for (const MemoryAnalysis& analysis : memory_analyses()) {
    JsonOptions options(nullptr, analysis.name);
    analysis.prepare(options);
    list[analysis.name] = {{"function", function_of(analysis.needs)},
                           {"model", model_word(analysis.needs)},
                           {"options", options.description()}};
  }
  give_text(json, dump_json(list));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_memories(emend_model* model, const char* analysis, const char* options,
                            const emend_watch* watch, emend_text** json) {
  return guarded([&] { return analyse(model, analysis, options, watch, json); });
}

emend_status emend_memories_compare(emend_model* first, emend_model* second, const char* options,
                                    const emend_watch* watch, emend_text** json) {
  return guarded([&] { return compare_models(first, second, options, watch, json); });
}

emend_status emend_memories_footprint(emend_model* model, emend_patch* const* patches, size_t count,
                                      const char* options, const emend_watch* watch, emend_text** json) {
  return guarded([&] { return footprint(model, patches, count, options, watch, json); });
}

emend_status emend_memories_bake(emend_model* model, const char* options, const emend_watch* watch,
                                 emend_patch** patch, emend_text** json) {
  return guarded([&] { return bake(model, options, watch, patch, json); });
}

emend_status emend_memories_list(emend_text** json) {
  return guarded([&] { return list_analyses(json); });
}
