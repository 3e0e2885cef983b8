#include "pipeline/edit_job.h"

#include <set>

#include "base/layer_number.h"
#include "base/strings.h"
#include "base/writable.h"
#include "emend/error.h"
#include "pipeline/auto_layer.h"

namespace emend {
namespace {

// The layers that the file names, in ascending order.
std::vector<int> given_layers(const EditFile& file, const Editor& editor, const ModelConfig& config) {
  const std::vector<int>& layers = file.layer.layers;
  const std::string where = file.layer.where.empty() ? file.path.string() + ": layer" : file.layer.where;
  for (const int layer : layers) require_layer(where, layer, config.layers);
  if (layers.size() > 1 && editor.layer_use() == LayerUse::kOne)
    throw Error(ErrorKind::kConfig, where + ": the method " + quote(file.method) + " edits one layer, and " +
                                        std::to_string(layers.size()) + " are listed");
  const std::set<int> ascending(layers.begin(), layers.end());
  return {ascending.begin(), ascending.end()};
}

}  // namespace

EditJob make_job(const Model& model, const Editor& editor, const EditFile& file, const EditRunOptions& options,
                 Progress& progress) {
  if (options.token_budget < 1)
    throw Error(ErrorKind::kUsage,
                "the token budget must be at least 1, found " + std::to_string(options.token_budget));
  EditJob job{&model, &editor, &file, {}, {}};
  if (!file.layer.layers.empty()) job.context.layers = given_layers(file, editor, model.config());
  job.context.prefix = resolve_bos(model.tokenizer(), file.bos);
  job.statistics = statistics_folder(model, file);
  job.context.form = file.form;
  job.context.seed = options.seed;
  job.context.token_budget = options.token_budget;
  job.context.keep_going = options.keep_going;
  if (file.layer.layers.empty())
    job.context.layers = {auto_layer(model, file.edits, job.context, job.statistics, progress).layer};
  return job;
}

Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Progress& progress) {
  const Model& model = *job.model;
  const std::vector<int>& layers = job.context.layers;
  Statistics statistics = load_statistics(model, layers, job.context.prefix, job.statistics);
  if (!statistics.layers.empty()) return statistics;
  require_writable_folder(job.statistics);
  progress.note("No statistics of layer " + std::to_string(layers[0]) + " in " + job.statistics.string() +
                ": collecting them from text that the model writes itself (once)");
  StatisticsOptions options;
  options.layers = layers;
  options.prefix = job.context.prefix;
  options.seed = job.context.seed;
  options.token_budget = job.context.token_budget;
  statistics = collect_statistics(model, options, progress);
  EditorContext context = job.context;
  context.statistics = &statistics;
  job.editor->plan(model, requests, context);  // throws
  progress.poll();
  save_statistics(statistics, model, context.prefix, job.statistics);
  // As rounded in the file: a later run gives the same bytes.
  return load_statistics(model, layers, context.prefix, job.statistics);
}

}  // namespace emend
