// emend stats --out DIR; emend stats show DIR
#include <ATen/ATen.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "analysis/statistics_file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/layer_list.h"
#include "cli/load_model.h"
#include "cli/output_check.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "linalg/spd_factor.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr const char* kSelf = "self";

struct StatsOptions {
  CommonOptions common;
  std::string out;
  std::vector<std::string> corpus;
  std::string layers = "all";
  std::int64_t tokens = 0;
};

// One layer as it is shown.
struct LayerSummary {
  int layer = 0;
  std::int64_t tokens = 0;
  double trace = 0;
  std::optional<double> condition;  // nothing: not positive definite
};

Parsed parse_stats(const std::vector<std::string>& arguments, StatsOptions& options) {
  Syntax syntax;
  syntax.command = "stats";
  syntax.synopsis = "--model M --out DIR [OPTIONS], or: emend stats show DIR";
  syntax.help =
      "Collects C = E[k k^T], the second moments of the feed-forward keys, of all layers in one pass over "
      "text.";
  syntax.later = {"resume", "shard"};
  syntax.own.add_options()("out", po::value(&options.out)->value_name("DIR"), "folder to write to")(
      "corpus", po::value(&options.corpus)->multitoken()->composing()->value_name("PATH"),
      "text files, or self: the model writes the text (default)")(
      "layers", po::value(&options.layers)->value_name("LIST")->default_value("all"),
      "all, or for example 0,3,5-7")(
      "tokens", po::value(&options.tokens)->value_name("N")->notifier([](std::int64_t n) {
        require_at_least("tokens", n, 1);
      }),
      "keys to sum (default: 10 times d_ff)");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "stats", "--model PATH");
  require_given(!options.out.empty(), "stats", "--out DIR");
  if (options.corpus.size() > 1 && std::count(options.corpus.begin(), options.corpus.end(), kSelf) > 0)
    throw Error(ErrorKind::kUsage, "--corpus is either self or paths, not both");
  if (options.corpus == std::vector<std::string>{kSelf}) options.corpus.clear();
  return Parsed::kRun;
}

LayerSummary summarize(int layer, const LayerStatistics& statistics) {
  return {layer, statistics.tokens, statistics.C.trace().item<double>(), condition_estimate(statistics.C)};
}

void print_layers(const std::vector<LayerSummary>& layers, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"tokens", Align::kRight},
               {"trace", Align::kRight},
               {"condition", Align::kRight}});
  for (const LayerSummary& layer : layers)
    table.add_row({std::to_string(layer.layer), std::to_string(layer.tokens), number_text(layer.trace, 5),
                   layer.condition ? number_text(*layer.condition) : "singular"});
  std::cout << table.text(columns) << "Layers count from 0.\n";
}

ResultJson layers_json(const std::vector<LayerSummary>& layers) {
  ResultJson list = ResultJson::array();
  for (const LayerSummary& layer : layers)
    list.push_back({{"layer", layer.layer},
                    {"tokens", layer.tokens},
                    {"trace", layer.trace},
                    {"condition", layer.condition ? ResultJson(*layer.condition) : ResultJson(nullptr)}});
  return list;
}

int collect(const std::vector<std::string>& arguments) {
  StatsOptions options;
  if (parse_stats(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  console.keep_json_apart(
      {{options.corpus.begin(), options.corpus.end()}, options.common.model, {options.out}});
  require_writable_folder(options.out);
  for (const std::string& path : options.corpus)
    if (!fs::exists(path)) throw Error(ErrorKind::kIo, "--corpus: there is no file " + path);
  const Model model = load_model(options.common.model, options.common, console);
  StatisticsOptions how;
  how.layers = parse_layers(options.layers, model.config().layers);
  how.corpus.assign(options.corpus.begin(), options.corpus.end());
  how.tokens = options.tokens;
  how.prefix = resolve_bos(model.tokenizer(), options.common.bos.value_or("auto"));
  how.seed = options.common.seed;
  how.token_budget = options.common.token_budget;
  const Statistics statistics = collect_statistics(model, how, console.progress());
  throw_if_interrupted();
  save_statistics(statistics, model, how.prefix, options.out);
  std::vector<LayerSummary> summaries;
  for (const auto& [layer, value] : statistics.layers) summaries.push_back(summarize(layer, value));
  print_layers(summaries, console.columns());
  std::cout << "Source: " << statistics.source << "\nWritten to " << options.out << "\n";
  console.write_json({{"emend", emend_version()},
                      {"model", model_json(model)},
                      {"source", statistics.source},
                      {"fingerprint", statistics.fingerprint},
                      {"layers", layers_json(summaries)},
                      {"outputs", {options.out}}});
  return kExitDone;
}

int show(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::string folder;
  syntax.command = "stats show";
  syntax.synopsis = "DIR [--model M]";
  syntax.help =
      "Lists the layers of a statistics folder. With --model, says first whether they are of that model.";
  syntax.positional = "folder";
  syntax.unused = {"seed", "dtype", "token-budget"};
  syntax.positionals = 1;
  syntax.own.add_options()("folder", po::value(&folder));
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!folder.empty(), "stats show", "the folder");
  Console console(common);
  console.keep_json_apart({{}, common.model, {folder}});
  if (!fs::is_directory(folder)) throw Error(ErrorKind::kIo, folder + ": there is no such folder");
  const std::map<int, fs::path> files = layer_files(folder);
  if (!common.model.empty()) {
    const Model model = load_model(common.model, common, console);
    std::vector<int> layers;
    for (const auto& [layer, file] : files) {
      require_layer(file.string(), layer, model.config().layers);
      layers.push_back(layer);
    }
    load_statistics(model, layers, resolve_bos(model.tokenizer(), common.bos.value_or("auto")), folder);
    std::cout << "These statistics are of " << common.model << ".\n";
  }
  std::vector<LayerSummary> summaries;
  std::string source;
  for (const auto& [layer, path] : files) {
    throw_if_interrupted();
    const auto file = open_safetensors(path);
    summaries.push_back(summarize(layer, read_layer_statistics(*file, layer)));
    source = statistics_metadata(*file, "source");
  }
  print_layers(summaries, console.columns());
  std::cout << "Source: " << source << "\n";
  console.write_json({{"emend", emend_version()}, {"source", source}, {"layers", layers_json(summaries)}});
  return kExitDone;
}

}  // namespace

int stats_command(const std::vector<std::string>& arguments) {
  const std::string first = arguments.empty() ? "" : arguments[0];
  if (first == "show") return show({arguments.begin() + 1, arguments.end()});
  if (first == "merge") throw Error(ErrorKind::kUsage, "'emend stats merge' is not part of this version yet");
  return collect(arguments);
}

}  // namespace emend
