// emend stats import FILE.npz|FILE.gguf --model M --trust-model-name --out DIR
#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "io/imatrix.h"
#include "pipeline/failure.h"
#include "reports/statistics_report.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

bool is_imatrix(const std::string& file) {
  std::error_code failed;
  return fs::is_regular_file(file, failed) && may_be_imatrix(file);
}

void require_trust(bool trusted, const std::string& file, const std::string& model) {
  if (trusted) return;
  const fs::path folder = fs::absolute(file).lexically_normal().parent_path().parent_path();
  const std::string says = is_imatrix(file)
                               ? "does not say of which model it is"
                               : fmt::format("says of which model it is by the name of its folder only ({})",
                                             folder.filename().string());
  throw Error(ErrorKind::kUsage,
              fmt::format("stats import: {} {}; give --trust-model-name when it is {}", file, says, model));
}

}  // namespace

int stats_import_command(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::vector<std::string> files;
  std::string out;
  bool trusted = false;
  syntax.command = "stats import";
  syntax.synopsis = "(FILE.npz [FILE.npz ...] | IMATRIX.gguf) --model M --trust-model-name --out DIR";
  syntax.help =
      "Takes second moments that kmeng01/rome or memit cached (..._mom2_....npz, one file a layer) as those "
      "of --model,\n"
      "or of an importance matrix of llama.cpp (GGUF) the diagonals of C of all layers. Archives name their "
      "model by a folder\n"
      "only, an importance matrix not at all; nothing in them can be checked against its weights.";
  syntax.positional = "file";
  syntax.positionals = -1;
  syntax.unused = {"seed", "token-budget"};
  syntax.own.add_options()("file", po::value(&files))("out", po::value(&out)->value_name("DIR"),
                                                      "folder to write to")(
      "trust-model-name", po::bool_switch(&trusted), "these files are of --model: I know it");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!files.empty(), "stats import", "at least one .npz file, or an importance matrix");
  require_given(!common.model.empty(), "stats import", "--model PATH");
  require_given(!out.empty(), "stats import", "--out DIR");
  require_trust(trusted, files.front(), common.model);
  Console console(common);
  const std::vector<fs::path> read(files.begin(), files.end());
  console.keep_json_apart({read, common.model, {out}});
  require_writable_folder(out);
  const Model model = load_model(common.model, common, console);
  const auto prefix = resolve_bos(model.tokenizer(), common.bos.value_or("auto"));
  const StatisticsSummary summary = import_into(read, model, prefix, out);
  console.note(import_remark(summary));
  std::cout << full_report(summary, {console.columns()});
  console.write_json(to_json(summary, &model));
  return kExitDone;
}

}  // namespace emend
