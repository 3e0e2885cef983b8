#include "cli/edit_prepare.h"

#include "base/strings.h"
#include "cli/interrupt.h"
#include "cli/layer_list.h"
#include "cli/output_check.h"
#include "emend/error.h"

namespace emend {

namespace fs = std::filesystem;

EditFile prepare_edit_file(const EditOptions& options) {
  EditFile file = read_edit_file(options.file);
  if (!options.common.model.empty()) file.model = options.common.model;
  if (file.model.empty())
    throw Error(ErrorKind::kUsage,
                "edit: no model: " + options.file + " names none, so --model PATH is needed");
  if (options.common.bos) file.bos = *options.common.bos;
  if (!options.common.statistics.empty()) file.statistics = options.common.statistics;
  if (options.layer) file.layer.layers = {*options.layer};
  return file;
}

fs::path prepare_patch_path(const EditFile& file, const EditOptions& options) {
  const fs::path name =
      file.patch.empty() ? fs::path(options.file).stem().concat(".safetensors") : file.patch;
  const fs::path folder = options.out.empty() ? fs::path(options.file).parent_path() : fs::path(options.out);
  const fs::path path = (folder / name).lexically_normal();
  if (!options.out.empty()) require_writable_folder(options.out);
  require_writable_file(path);
  require_not_among(path, {options.file, file.model});
  return path;
}

int resolve_layer(const EditFile& file, const EditOptions& options, const ModelConfig& config) {
  const std::vector<int>& layers = file.layer.layers;
  if (layers.empty()) return default_layer(config);
  const std::string where =
      options.layer ? "--layer " + std::to_string(*options.layer) : file.path.string() + ": layer";
  for (const int layer : layers) require_layer(where, layer, config.layers);
  if (layers.size() > 1)
    throw Error(ErrorKind::kConfig, where + ": the method " + quote(file.method) + " edits one layer, and " +
                                        std::to_string(layers.size()) + " are listed");
  return layers[0];
}

fs::path statistics_folder(const EditFile& file, const Model& model,
                           const std::vector<std::int64_t>& prefix) {
  return file.statistics.empty() ? default_statistics_folder(model, prefix) : file.statistics;
}

Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Console& console) {
  const Model& model = *job.model;
  const std::vector<int> layers = {job.context.layer};
  Statistics statistics = load_statistics(model, layers, job.context.prefix, job.statistics);
  if (!statistics.layers.empty()) return statistics;
  require_writable_folder(job.statistics);
  console.note("No statistics of layer " + std::to_string(layers[0]) + " in " + job.statistics.string() +
               ": collecting them from text that the model writes itself (once)");
  StatisticsOptions options;
  options.layers = layers;
  options.prefix = job.context.prefix;
  options.seed = job.context.seed;
  options.token_budget = job.context.token_budget;
  statistics = collect_statistics(model, options, console.progress());
  EditorContext context = job.context;
  context.statistics = &statistics;
  job.editor->plan(model, requests, context);  // throws
  throw_if_interrupted();
  save_statistics(statistics, model, context.prefix, job.statistics);
  // As rounded in the file: a later run gives the same bytes.
  return load_statistics(model, layers, context.prefix, job.statistics);
}

}  // namespace emend
