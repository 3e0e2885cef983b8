// emend stats show DIR
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iostream>

#include "analysis/statistics_file.h"
#include "base/atomic_file.h"
#include "base/strings.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/layer_list.h"
#include "cli/load_model.h"
#include "cli/output_check.h"
#include "cli/stats_commands.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "linalg/spd_factor.h"
#include "report/html.h"
#include "report/numbers.h"
#include "report/sparkline.h"
#include "report/svg.h"
#include "reports/statistics_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

constexpr double kLowest = -12;  // log10 below which an eigenvalue is noise of float32 storage

// Eigenvalues over their mean, largest first, as log10.
std::vector<double> log_spectrum(const at::Tensor& C) {
  const std::vector<double> values = spectrum(C);
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  std::vector<double> logs;
  for (const double value : values)
    logs.push_back(value > 0 ? std::max(kLowest, std::log10(value / mean)) : kLowest);
  return logs;
}

// Layers whose spectra are drawn: those named, or the one in the middle.
std::vector<int> drawn_layers(const std::string& wanted, const std::map<int, fs::path>& files) {
  if (wanted == "none") return {};
  if (wanted.empty()) return {std::next(files.begin(), static_cast<std::ptrdiff_t>(files.size() / 2))->first};
  if (wanted == "all") {
    std::vector<int> all;
    for (const auto& [layer, file] : files) all.push_back(layer);
    return all;
  }
  const std::vector<int> layers = parse_layers(wanted, files.rbegin()->first + 1, "--spectrum");
  for (const int layer : layers)
    if (!files.contains(layer))
      throw Error(ErrorKind::kConfig, "--spectrum: the folder has no layer " + std::to_string(layer));
  return layers;
}

void print_spectra(const std::map<int, std::vector<double>>& spectra) {
  constexpr std::size_t kColumns = 48;
  double low = 0, high = 0;
  for (const auto& [layer, logs] : spectra) {
    low = std::min(low, logs.back());
    high = std::max(high, logs.front());
  }
  std::cout << "\nEigenvalues of C over their mean, largest first (logarithmic):\n";
  for (const auto& [layer, logs] : spectra)
    std::cout << "layer " << layer << "  " << sparkline(logs, kColumns, low - 0.01, high + 0.01) << "  "
              << number_text(std::pow(10, logs.front())) << " to " << number_text(std::pow(10, logs.back()))
              << "\n";
}

std::string spectra_svg(const std::map<int, std::vector<double>>& spectra) {
  constexpr std::size_t kPoints = 40;
  LineChart chart;
  chart.frame = {"Spectrum of the second moments of the keys",
                 "Eigenvalues of C over their mean, largest first.", 720};
  chart.x = {"share of the dimensions", 0, 1, true};
  std::vector<double> all;
  for (const auto& [layer, logs] : spectra) {
    LineChart::Series series{"layer " + std::to_string(layer), {}};
    for (std::size_t i = 0; i < kPoints; ++i) {
      const std::size_t at = i * (logs.size() - 1) / (kPoints - 1);
      series.points.push_back(
          {static_cast<double>(at) / static_cast<double>(logs.size()), {logs[at], logs[at], logs[at]}});
      all.push_back(logs[at]);
    }
    chart.series.push_back(std::move(series));
  }
  chart.y = axis_around("log10 of eigenvalue over mean", all);
  std::string svg = line_band_svg(chart);
  return svg.insert(svg.find('>') + 1, "\n<style>" + page_style() + "</style>");  // stands on its own
}

struct ShowOptions {
  CommonOptions common;
  std::string folder, spectrum, svg;
};

Parsed parse_show(const std::vector<std::string>& arguments, ShowOptions& options) {
  Syntax syntax;
  syntax.command = "stats show";
  syntax.synopsis = "DIR [--model M] [--spectrum LAYERS] [--svg FILE]";
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
      "draw the spectra to this file, too (up to five layers)");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.folder.empty(), "stats show", "the folder");
  return Parsed::kRun;
}

void require_of_model(const ShowOptions& options, const std::map<int, fs::path>& files, Console& console) {
  const Model model = load_model(options.common.model, options.common, console);
  std::vector<int> layers;
  for (const auto& [layer, file] : files) {
    require_layer(file.string(), layer, model.config().layers);
    layers.push_back(layer);
  }
  load_statistics(model, layers, resolve_bos(model.tokenizer(), options.common.bos.value_or("auto")),
                  options.folder);
  std::cout << "These statistics are of " << options.common.model << ".\n";
}

}  // namespace

int stats_show_command(const std::vector<std::string>& arguments) {
  ShowOptions options;
  if (parse_show(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  console.keep_json_apart({{options.svg}, options.common.model, {options.folder}});
  if (!fs::is_directory(options.folder))
    throw Error(ErrorKind::kIo, options.folder + ": there is no such folder");
  const std::map<int, fs::path> files = layer_files(options.folder);
  const std::vector<int> drawn = drawn_layers(options.spectrum, files);
  constexpr std::size_t kMostSeries = 5;
  if (!options.svg.empty()) {
    if (drawn.empty() || drawn.size() > kMostSeries)
      throw Error(ErrorKind::kUsage, "--svg draws one to five layers; name them with --spectrum");
    require_writable_file(options.svg);
  }
  if (!options.common.model.empty()) require_of_model(options, files, console);
  std::vector<LayerSummary> summaries;
  std::map<int, std::vector<double>> spectra;
  for (const auto& [layer, path] : files) {
    throw_if_interrupted();
    summaries.push_back(summarize_layer_file(path, layer));
    if (std::count(drawn.begin(), drawn.end(), layer) > 0)
      spectra[layer] = log_spectrum(read_layer_statistics(*open_safetensors(path), layer).C);
  }
  const auto last = open_safetensors(files.rbegin()->second);
  const std::string source = metadata_of(*last, "source"),
                    settings = metadata_or(*last, "settings", "");
  std::cout << layers_text(summaries, console.columns());
  std::cout << "Source: " << source << (settings.empty() ? "" : " (" + settings + ")") << "\n";
  if (!spectra.empty()) print_spectra(spectra);
  if (!options.svg.empty()) write_file_atomically(options.svg, spectra_svg(spectra));
  ResultJson result = {{"emend", emend_version()},
                       {"source", source},
                       {"settings", settings},
                       {"layers", layers_json(summaries)}};
  for (const auto& [layer, logs] : spectra) result["log10_spectrum"][std::to_string(layer)] = logs;
  console.write_json(result);
  return kExitDone;
}

}  // namespace emend
