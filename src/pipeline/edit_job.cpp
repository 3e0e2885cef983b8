#include "pipeline/edit_job.h"

#include "base/layer_number.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/statistics_store.h"
#include "pipeline/auto_layer.h"

namespace emend {
namespace {

// The one layer that the file names.
int given_layer(const EditFile& file, const ModelConfig& config) {
  const std::vector<int>& layers = file.layer.layers;
  const std::string where = file.layer.where.empty() ? file.path.string() + ": layer" : file.layer.where;
  for (const int layer : layers) require_layer(where, layer, config.layers);
  if (layers.size() > 1)
    throw Error(ErrorKind::kConfig, where + ": the method " + quote(file.method) + " edits one layer, and " +
                                        std::to_string(layers.size()) + " are listed");
  return layers[0];
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
  if (!file.layer.layers.empty()) job.context.layer = given_layer(file, model.config());
  job.context.prefix = resolve_bos(model.tokenizer(), file.bos);
  job.statistics =
      file.statistics.empty() ? default_statistics_folder(model, job.context.prefix) : file.statistics;
  job.context.form = file.form;
  job.context.seed = options.seed;
  job.context.token_budget = options.token_budget;
  job.context.keep_going = options.keep_going;
  if (file.layer.layers.empty())
    job.context.layer = auto_layer(model, file.edits, job.context, job.statistics, progress).layer;
  return job;
}

Statistics load_or_collect(const EditJob& job, const std::vector<EditRequest>& requests, Progress& progress) {
  StatisticsOptions options;
  options.seed = job.context.seed;
  options.token_budget = job.context.token_budget;
  const auto approve = [&](const Statistics& statistics) {
    EditorContext context = job.context;
    context.statistics = &statistics;
    job.editor->plan(*job.model, requests, context);  // throws
  };
  return StatisticsStore(*job.model, job.context.prefix, job.statistics)
      .layers({job.context.layer}, options, progress, approve);
}

}  // namespace emend
