// emend stats show, import and export.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/files.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/report.h"
#include "emend/statistics.h"
#include "emend/statistics_job.h"
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

}  // namespace

int stats_show_command(const std::vector<std::string>& arguments) {
  std::string folder, spectrum, svg;
  CommandFrame frame(
      "stats show", "DIR [--model M] [--spectrum LAYERS] [--svg FILE] [--report FILE]",
      "Lists the layers of a statistics folder: tokens, condition, effective rank, the estimated error of "
      "C^-1 k, and draws\nspectra. With --model, says first whether they are of that model.",
      {"seed", "dtype", "token-budget"});
  frame.syntax.examples = {"stats show stats --model model.gguf --spectrum 3,7 --svg spectra.svg"};
  frame.options.argument("folder", folder, "the folder", Use::kFolder)
      .text("spectrum", spectrum, "LAYERS",
            "all, none, or for example 0,3,5-7 (default: the one in the middle)")
      .text("svg", svg, "FILE", "draw the spectra to this file, too (up to five layers)", Use::kPage)
      .report("write an HTML page with the layers, charts and the spectra");
  return frame.run(arguments, [&](Console& console) {
    const std::vector<int> drawn = drawn_layers(spectrum, stored_layers(folder));
    if (!svg.empty()) require_drawable(drawn);
    std::string text;
    if (!frame.common.model.empty()) {
      const Model model = frame.load(console);
      require_statistics_of(model, resolve_bos(model.tokenizer(), frame.bos()), folder);
      text = fmt::format("These statistics are of {}.\n", frame.common.model);
    }
    const StatisticsSummary summary = summarize_statistics(folder, drawn, console.progress());
    if (!svg.empty()) console.write_result_file(svg, spectra_svg(summary));
    return frame.show(console, text + full_report(summary, {console.columns()}), to_json(summary),
                      {.report = [&] { return statistics_html(stored_page(summary, folder)); }});
  });
}

int stats_import_command(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> files;
  std::string out;
  bool trusted = false;
  CommandFrame frame(
      "stats import", "(FILE.npz [FILE.npz ...] | IMATRIX.gguf) --model M --trust-model-name --out DIR",
      "Takes second moments that kmeng01/rome or memit cached (..._mom2_....npz, one file a layer) as those "
      "of --model,\nor of an importance matrix of llama.cpp (GGUF) the diagonals of C of all layers. "
      "Archives name their model by a folder\nonly, an importance matrix not at all; nothing in them can be "
      "checked against its weights.",
      {"seed", "token-budget"});
  frame.options.arguments("file", files, -1, "at least one .npz file, or an importance matrix", Use::kReads)
      .needs_model()
      .text("out", out, "DIR", "folder to write to", Use::kWritesFolder | Use::kNeeded)
      .flag("trust-model-name", trusted, "these files are of --model: I know it")
      .check([&] {
        for (const std::filesystem::path& file : files)
          if (!std::filesystem::exists(file)) throw io_error("read", file, ENOENT);
        require_trusted_origin(files.front(), frame.common.model, trusted);
      });
  return frame.run(arguments, [&](Console& console) {
    const Model model = frame.load(console);
    const StatisticsSummary summary =
        import_into(files, model, resolve_bos(model.tokenizer(), frame.bos()), out, console.progress());
    console.note(import_remark(summary));
    return frame.show(console, full_report(summary, {console.columns()}), to_json(summary, &model));
  });
}

int stats_export_command(const std::vector<std::string>& arguments) {
  std::string folder, out;
  CommandFrame frame(
      "stats export", "DIR --out FILE.gguf",
      "Writes the diagonals of C as an importance matrix of llama.cpp, for llama-quantize --imatrix and for "
      "emend patch apply\n--imatrix. It has entries for the down projections of the folder's layers only.",
      kWithoutModel);
  frame.options.argument("folder", folder, "the folder", Use::kFolder)
      .text("out", out, "FILE", "file to write", Use::kPage | Use::kNeeded);
  return frame.run(arguments, [&](Console& console) {
    const ImatrixOutcome outcome{export_imatrix(folder, out), out};
    return frame.show(console, full_report(outcome), to_json(outcome));
  });
}

}  // namespace emend
