// emend stats show DIR
#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "base/atomic_file.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "emend/error.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "pipeline/failure.h"
#include "reports/statistics_page.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

// Layers whose spectra are drawn: those named, or the one in the middle.
std::vector<int> drawn_layers(const std::string& wanted, const std::vector<int>& stored) {
  if (wanted == "none") return {};
  if (wanted == "all") return stored;
  if (wanted.empty()) return {stored[stored.size() / 2]};
  const std::vector<int> layers = parse_layers(wanted, stored.back() + 1, "--spectrum");
  for (const int layer : layers)
    if (std::find(stored.begin(), stored.end(), layer) == stored.end())
      throw Error(ErrorKind::kConfig, fmt::format("--spectrum: the folder has no layer {}", layer));
  return layers;
}

void require_drawable(const std::vector<int>& drawn) {
  constexpr std::size_t kMostSeries = 5;
  if (drawn.empty() || drawn.size() > kMostSeries)
    throw Error(ErrorKind::kUsage, "--svg draws one to five layers; name them with --spectrum");
}

struct ShowOptions {
  CommonOptions common;
  std::string folder, spectrum, svg, report;
};

Parsed parse_show(const std::vector<std::string>& arguments, ShowOptions& options) {
  Syntax syntax;
  syntax.command = "stats show";
  syntax.synopsis = "DIR [--model M] [--spectrum LAYERS] [--svg FILE] [--report FILE]";
  syntax.help =
      "Lists the layers of a statistics folder: tokens, condition, effective rank, the estimated error of "
      "C^-1 k, and draws\n"
      "spectra. With --model, says first whether they are of that model.";
  syntax.positional = "folder";
  syntax.unused = {"seed", "dtype", "token-budget"};
  syntax.positionals = 1;
  syntax.own.add_options()("folder", po::value(&options.folder))(
      "spectrum", po::value(&options.spectrum)->value_name("LAYERS"),
      "all, none, or for example 0,3,5-7 (default: the one in the middle)")(
      "svg", po::value(&options.svg)->value_name("FILE"),
      "draw the spectra to this file, too (up to five layers)")(
      "report", po::value(&options.report)->value_name("FILE"),
      "write an HTML page with the layers, charts and the spectra");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.folder.empty(), "stats show", "the folder");
  return Parsed::kRun;
}

void say_whether_of_model(const ShowOptions& options, Console& console) {
  const Model model = load_model(options.common.model, options.common, console);
  require_statistics_of(model, resolve_bos(model.tokenizer(), options.common.bos.value_or("auto")),
                        options.folder);
  std::cout << "These statistics are of " << options.common.model << ".\n";
}

}  // namespace

int stats_show_command(const std::vector<std::string>& arguments) {
  ShowOptions options;
  if (parse_show(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  console.check_result_file("--svg", options.svg, {{}, options.common.model, {options.folder}});
  console.check_report(options.report, {{options.svg}, options.common.model, {options.folder}});
  const std::vector<int> drawn = drawn_layers(options.spectrum, stored_layers(options.folder));
  if (!options.svg.empty()) require_drawable(drawn);
  if (!options.common.model.empty()) say_whether_of_model(options, console);
  const StatisticsSummary summary = summarize_statistics(options.folder, drawn, console.progress());
  std::cout << full_report(summary, {console.columns()});
  if (!options.svg.empty()) write_file_atomically(options.svg, spectra_svg(summary));
  console.write_report(options.report, [&] { return statistics_html(stored_page(summary, options.folder)); });
  console.write_json(to_json(summary));
  return kExitDone;
}

}  // namespace emend
