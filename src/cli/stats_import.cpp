// emend stats import FILE.npz --model M --trust-model-name --out DIR
#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/output_check.h"
#include "emend/error.h"
#include "emend/statistics_job.h"
#include "pipeline/failure.h"
#include "reports/statistics_report.h"

namespace emend {

namespace fs = std::filesystem;
namespace po = boost::program_options;

int stats_import_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::vector<std::string> files;
  std::string out;
  bool trusted = false;
  syntax.command = "stats import";
  syntax.synopsis = "FILE.npz [FILE.npz ...] --model M --trust-model-name --out DIR";
  syntax.help =
      "Takes second moments that kmeng01/rome or memit cached (..._mom2_....npz, one file a layer) as those "
      "of --model.\n"
      "The files name their model by a folder only; nothing in them can be checked against its weights.";
  syntax.positional = "file";
  syntax.positionals = -1;
  syntax.unused = {"seed", "token-budget"};
  syntax.own.add_options()("file", po::value(&files))("out", po::value(&out)->value_name("DIR"),
                                                      "folder to write to")(
      "trust-model-name", po::bool_switch(&trusted), "these files are of --model: I know it");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!files.empty(), "stats import", "at least one .npz file");
  require_given(!common.model.empty(), "stats import", "--model PATH");
  require_given(!out.empty(), "stats import", "--out DIR");
  if (!trusted)
    throw Error(
        ErrorKind::kUsage,
        fmt::format(
            "stats import: {} says of which model it is by the name of its folder only ({}); give "
            "--trust-model-name when it is {}",
            files.front(),
            fs::absolute(files.front()).lexically_normal().parent_path().parent_path().filename().string(),
            common.model));
  Console console(common);
  const std::vector<fs::path> read(files.begin(), files.end());
  console.keep_json_apart({read, common.model, {out}});
  require_writable_folder(out);
  const Model model = load_model(common.model, common, console);
  const auto prefix = resolve_bos(model.tokenizer(), common.bos.value_or("auto"));
  const StatisticsSummary summary = import_into(read, model, prefix, out);
  console.note(
      "Imported sums hold position-0 keys, and no text is held back: drift needs drift_text in the edit "
      "file.");
  std::cout << written_statistics_text(summary, out, console.columns());
  console.write_json(written_statistics_json(summary, out, &model));
  return kExitDone;
}

}  // namespace emend
