// emend_statistics*
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "analysis/statistics_plan.h"
#include "base/files.h"
#include "base/layer_number.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/report.h"
#include "emend/statistics_job.h"

namespace emend::c_api {
namespace {

std::vector<int> layers_of(const emend_statistics_options& options, const Model& model) {
  const int count = model.config().layers;
  std::vector<int> layers = numbers_of(options.layers, options.layer_count, "layers");
  for (const int layer : layers) require_layer("layers", layer, count);
  if (!layers.empty()) return layers;
  layers.resize(static_cast<std::size_t>(count));
  std::iota(layers.begin(), layers.end(), 0);
  return layers;
}

StatisticsOptions statistics_options(const emend_statistics_options& options, const Model& model) {
  StatisticsOptions how;
  how.layers = layers_of(options, model);
  const std::vector<std::string> corpus = texts_of(options.corpus, options.corpus_count, "corpus");
  how.corpus.assign(corpus.begin(), corpus.end());
  how.text_field = text_of(options.text_field, "text");
  how.tokens = options.tokens;
  if (options.until != 0) how.until = options.until;
  how.prefix = resolve_bos(model.tokenizer(), text_of(options.bos, "auto"));
  how.seed = options.seed;
  how.window = options.window;
  how.block_tokens = options.block_tokens;
  how.memory_bytes = options.memory_bytes;
  how.shard = options.shard;
  how.shards = options.shards;
  how.token_budget = settled_token_budget(options.token_budget, model);
  return how;
}

void require_at_least(const char* name, std::int64_t value, std::int64_t least) {
  if (value < least)
    throw Error(ErrorKind::kUsage, std::string(name) + " must be at least " + std::to_string(least) +
                                       ", found " + std::to_string(value));
}

emend_status statistics(emend_model* model, const char* folder, const emend_statistics_options* given,
                        emend_text** json) {
  if (json != nullptr) *json = nullptr;
  const ModelCall call(model);
  constexpr std::size_t kOldest = offsetof(emend_statistics_options, no_texts);
  const emend_statistics_options options =
      options_of(given, emend_statistics_options EMEND_STATISTICS_OPTIONS_INIT, kOldest);
  if (options.plan_only == 0) require_given(folder, "folder");
  const StatisticsOptions how = statistics_options(options, call->model);
  check_statistics_values(how);
  if (options.plan_only == 0) require_writable_folder(folder);
  BaseRun run(call, options.progress, options.progress_data);
  StatisticsJob job;
  job.folder = {text_of(folder, ""), options.resume != 0, options.keep_sums != 0};
  job.dry_run = options.plan_only != 0;
  job.texts = options.no_texts == 0;
  const StatisticsOutcome outcome = run_statistics(call->model, how, job, run.progress);
  if (json != nullptr) give_text(json, to_json(outcome, call->model));
  return EMEND_OK;
}

// Throws Error(kUsage) unless there is at least one.
std::vector<std::filesystem::path> paths_of(const char* const* texts, std::size_t count, const char* name) {
  require_at_least(fmt::format("the number of {}", name).c_str(), static_cast<std::int64_t>(count), 1);
  const std::vector<std::string> paths = texts_of(texts, count, name);
  return {paths.begin(), paths.end()};
}

emend_status merge(const char* const* folders, std::size_t count, const char* out,
                   const emend_merge_statistics_options* given, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  const std::vector<std::filesystem::path> read = paths_of(folders, count, "folders");
  require_given(out, "out");
  const emend_merge_statistics_options options =
      options_of(given, emend_merge_statistics_options EMEND_MERGE_STATISTICS_OPTIONS_INIT);
  require_writable_folder(out);
  CallbackProgress progress(options.progress, options.progress_data, nullptr);
  const StatisticsSummary summary = merge_into(read, out, progress);
  if (json != nullptr) give_text(json, to_json(summary));
  return EMEND_OK;
}

emend_status import_caches(emend_model* model, const char* const* files, std::size_t count, const char* bos,
                           const char* out, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  const ModelCall call(model);
  const std::vector<std::filesystem::path> read = paths_of(files, count, "files");
  require_given(out, "out");
  require_writable_folder(out);
  const std::vector<std::int64_t> prefix = resolve_bos(call->model.tokenizer(), text_of(bos, "auto"));
  const BaseRun run(call, nullptr, nullptr);  // fingerprints are of the model as it was loaded
  const StatisticsSummary summary = import_into(read, call->model, prefix, out);
  if (json != nullptr) give_text(json, to_json(summary, &call->model));
  return EMEND_OK;
}

emend_status export_matrix(const char* folder, const char* out, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  require_given(folder, "folder");
  require_given(out, "out");
  const std::vector<int> layers = export_imatrix(folder, out);
  if (json != nullptr) give_text(json, to_json(ImatrixOutcome{layers, out}));
  return EMEND_OK;
}

emend_status show(const char* folder, const emend_show_statistics_options* given, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  require_given(folder, "folder");
  const emend_show_statistics_options options =
      options_of(given, emend_show_statistics_options EMEND_SHOW_STATISTICS_OPTIONS_INIT);
  const std::vector<int> layers = numbers_of(options.layers, options.layer_count, "layers");
  if (options.model != nullptr) {
    const ModelCall call(options.model);
    const BaseRun run(call, options.progress, options.progress_data);
    require_statistics_of(call->model, resolve_bos(call->model.tokenizer(), text_of(options.bos, "auto")),
                          folder);
  }
  CallbackProgress progress(options.progress, options.progress_data, nullptr);
  give_text(json, to_json(summarize_statistics(folder, layers, progress)));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_statistics(emend_model* model, const char* folder, const emend_statistics_options* options,
                              emend_text** json) {
  return guarded([&] { return statistics(model, folder, options, json); });
}

emend_status emend_statistics_merge(const char* const* folders, size_t count, const char* out,
                                    const emend_merge_statistics_options* options, emend_text** json) {
  return guarded([&] { return merge(folders, count, out, options, json); });
}

emend_status emend_statistics_import(emend_model* model, const char* const* files, size_t count,
                                     const char* bos, const char* out, emend_text** json) {
  return guarded([&] { return import_caches(model, files, count, bos, out, json); });
}

emend_status emend_statistics_show(const char* folder, const emend_show_statistics_options* options,
                                   emend_text** json) {
  return guarded([&] { return show(folder, options, json); });
}

emend_status emend_statistics_export(const char* folder, const char* out, emend_text** json) {
  return guarded([&] { return export_matrix(folder, out, json); });
}
