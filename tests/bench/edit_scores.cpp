// Scores of single edits over a file of records, for one or several settings of a method: the tables of
// docs/rome.md.
//
//   edit_scores MODEL RECORDS LIMIT LAYER[,LAYER...] [NAME=VALUE,NAME=VALUE]...
//
// Only records that the model knows are edited, and only neighbours that it knows are counted. Each further
// argument is one row of the table ("-" stands for the defaults). Prints ES, PS, NS (percent), the share of
// edits whose target is the greedy continuation, steps, relative norm and seconds an edit.
#include "support/edit_scores.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

#include "bench/stopwatch.h"
#include "emend/editor.h"
#include "emend/locate.h"
#include "emend/statistics_run.h"
#include "support/edit_records.h"

using namespace emend;

namespace {

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::stringstream in(text);
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

// The first records whose present answer is the model's greedy one, and of their neighbours those that are.
std::vector<EditRequest> known_requests(const Model& model, const char* path, std::size_t limit,
                                        const std::vector<std::int64_t>& prefix) {
  CheckOptions options;
  options.prefix = prefix;
  options.completion_tokens = 1;
  SilentProgress silent;
  std::vector<EditRequest> known;
  const auto all = test::read_edit_records(path, 100000);
  constexpr std::size_t kAtOnce = 50;
  for (std::size_t begin = 0; begin < all.size() && known.size() < limit; begin += kAtOnce) {
    std::vector<EditRequest> some(
        all.begin() + static_cast<std::ptrdiff_t>(begin),
        all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), begin + kAtOnce)));
    // Asked with the present answer in the target's place: is it the greedy continuation?
    std::vector<EditRequest> asked;
    for (EditRequest request : some) {
      request.target = request.was;
      request.paraphrases.clear();
      for (const Neighbour& neighbour : std::exchange(request.neighbours, {})) {
        EditRequest other;
        other.prompt = neighbour.prompt;
        other.target = neighbour.answer;
        asked.push_back(other);
      }
      asked.push_back(request);
    }
    const auto states = measure_facts(model, asked, options, silent);
    std::size_t at = 0;
    for (EditRequest& request : some) {
      for (const Neighbour& neighbour : std::exchange(request.neighbours, {}))
        if (states[at++].prompt.argmax_target) request.neighbours.push_back(neighbour);
      if (states[at++].prompt.argmax_target && known.size() < limit) known.push_back(request);
    }
  }
  return known;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 5) {  // without arguments: what it is for, so that scripts/bench.sh can run all programs
    std::fprintf(stderr, "usage: edit_scores MODEL RECORDS LIMIT LAYER[,LAYER...] [NAME=VALUE,...]...\n");
    return argc == 1 ? 0 : 2;
  }
  SilentProgress silent;
  Model model = Model::load(argv[1], {}, silent);
  EditorContext context;
  context.prefix = model.tokenizer().automatic_prefix();
  context.keep_going = true;
  const auto requests =
      known_requests(model, argv[2], static_cast<std::size_t>(std::atoi(argv[3])), context.prefix);
  std::vector<int> layers;
  for (const std::string& layer : split(argv[4], ','))
    layers.push_back(layer == "auto" ? default_layer(model.config()) : std::stoi(layer));
  StatisticsOptions statistics_options;
  statistics_options.layers = layers;
  statistics_options.prefix = context.prefix;
  const auto folder = default_statistics_folder(model, context.prefix);
  Statistics statistics = load_statistics(model, layers, context.prefix, folder);
  if (statistics.layers.empty()) statistics = collect_statistics(model, statistics_options, silent);
  context.statistics = &statistics;
  CheckOptions checks;
  checks.prefix = context.prefix;
  checks.completion_tokens = 1;

  std::printf("%zu edits of %s\n%-46s layer    ES     PS     NS  argmax  steps  rel.norm  s/edit\n",
              requests.size(), argv[1], "setting");
  std::vector<std::string> settings(argv + 5, argv + argc);
  if (settings.empty()) settings = {"-"};
  for (const std::string& setting : settings)
    for (const int layer : layers) {
      std::map<std::string, OptionText> options;
      for (const std::string& part : split(setting, ',')) {
        const auto at = part.find('=');
        if (at != std::string::npos) options[part.substr(0, at)] = {part.substr(at + 1), "command line"};
      }
      context.layers = {layer};
      const auto editor = make_editor("rome", options);
      std::vector<Edit> edits;
      const double seconds =
          bench::seconds_of([&] { edits = editor->edit_each(model, requests, context, silent); }).wall;
      const auto scores = test::score_edits(model, edits, checks);
      std::printf("%-46s %5d %6.2f %6.2f %6.2f %6.2f %6.1f %9.3f %7.3f", setting.c_str(), layer,
                  100 * scores.efficacy, 100 * scores.paraphrase, 100 * scores.neighbourhood,
                  100 * scores.argmax, scores.steps, scores.relative_norm,
                  seconds / static_cast<double>(edits.size()));
      for (std::size_t i = 0; i < scores.failures.size() && i < 5; ++i)
        std::printf(" %s", scores.failures[i].c_str());
      std::printf("\n");
      std::fflush(stdout);
    }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "edit_scores: %s\n", error.what());
  return 1;
}
