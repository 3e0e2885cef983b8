#include "pipeline/edit_job.h"

#include <set>

#include "base/layer_number.h"
#include "base/nearest.h"
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

// The tokenizer's special tokens: what a mistyped BOS may have meant.
std::vector<std::string> special_tokens(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (std::int64_t id = 0; id < tokenizer.size(); ++id)
    if (tokenizer.is_special(id)) names.push_back(tokenizer.token_bytes(id));
  return names;
}

}  // namespace

std::vector<std::int64_t> resolve_bos(const Tokenizer& tokenizer, const std::string& choice) {
  if (choice == "auto") return tokenizer.automatic_prefix();
  if (choice == "none") return {};
  if (const auto id = tokenizer.find(choice)) return {*id};
  std::vector<std::string> known = special_tokens(tokenizer);
  known.insert(known.begin(), {"auto", "none"});
  constexpr std::size_t kMostListed = 12;
  if (const auto near = nearest_name(choice, known)) known = {*near};
  if (known.size() > kMostListed) known.resize(kMostListed);
  throw Error(ErrorKind::kConfig,
              "bos: the tokenizer has no token " + quote(choice) + did_you_mean(choice, known));
}

EditJob make_job(Model& model, const Editor& editor, const EditFile& file, const EditRunOptions& options,
                 Progress& progress) {
  if (options.token_budget < 1)
    throw Error(ErrorKind::kUsage,
                "the token budget must be at least 1, found " + std::to_string(options.token_budget));
  EditJob job{&model, &editor, &file, {}, {}};
  if (!file.layer.layers.empty()) job.context.layers = given_layers(file, editor, model.config());
  job.context.prefix = resolve_bos(model.tokenizer(), file.bos);
  job.statistics =
      file.statistics.empty() ? default_statistics_folder(model, job.context.prefix) : file.statistics;
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
