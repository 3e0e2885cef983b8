// emend patch apply --model M --patch P... (--out NEW or --in-place)
#include <iostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "pipeline/failure.h"
#include "reports/fact_report.h"
#include "reports/patch_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct ApplyArguments {
  CommonOptions common;
  std::vector<std::string> patches;
  std::string out, type, undo, junit, imatrix;
  bool in_place = false, force = false;
};

Parsed parse_apply(const std::vector<std::string>& arguments, ApplyArguments& options) {
  Syntax syntax;
  syntax.command = "patch apply";
  syntax.synopsis = "--model M --patch P... (--out NEW | --in-place)";
  syntax.unused = {"bos", "seed"};
  syntax.own.add_options()("statistics", po::value(&options.common.statistics)->value_name("DIR"),
                           "second moments of the keys, which weight the rounding to a quantised type that "
                           "is kept (default: none)")(
      "imatrix", po::value(&options.imatrix)->value_name("FILE"),
      "an importance matrix of llama.cpp (GGUF), which weights it for tensors without --statistics");
  syntax.help =
      "Writes patches into a checkpoint: a new one, or the base itself. Only the tensors that they change "
      "get "
      "other bytes. What arrives after rounding is measured, and the patches' checks are repeated on the "
      "written file.";
  syntax.own.add_options()("patch",
                           po::value(&options.patches)->multitoken()->composing()->value_name("FILE"),
                           "the patches, in the order in which they stack")(
      "out", po::value(&options.out)->value_name("NEW"),
      "the new checkpoint: a folder for safetensors and split GGUF models, a file for GGUF")(
      "in-place", po::bool_switch(&options.in_place),
      "replace the base's own files; what `patch revert` needs is written first")(
      "undo", po::value(&options.undo)->value_name("FILE"),
      "with --in-place: the undo file (default: emend.undo in the folder, or FILE.undo, of a split GGUF "
      "model its first file)")(
      "type", po::value(&options.type)->value_name("TYPE"),
      "how edited tensors are stored: own (as they were), F32, F16, BF16, and in GGUF Q4_0 to Q8_0, Q2_K to "
      "Q6_K, "
      "IQ4_NL, IQ4_XS "
      "(default: own in safetensors, F16 in GGUF)")(
      "force", po::bool_switch(&options.force),
      "also write patches that are marked as failed or overlap, and types that do not hold the edit")(
      "junit", po::value(&options.junit)->value_name("FILE"), "write the checks as JUnit XML");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "patch apply", "--model PATH");
  require_given(!options.patches.empty(), "patch apply", "--patch FILE");
  require_given(!options.out.empty() || options.in_place, "patch apply", "--out NEW or --in-place");
  if (!options.out.empty() && options.in_place)
    throw Error(ErrorKind::kUsage, "patch apply: --out does not go with --in-place");
  if (!options.undo.empty() && !options.in_place)
    throw Error(ErrorKind::kUsage, "patch apply: --undo is for --in-place");
  return Parsed::kRun;
}

ApplyOptions run_options(const ApplyArguments& arguments) {
  ApplyOptions options;
  options.out = arguments.out;
  options.in_place = arguments.in_place;
  options.undo = arguments.undo;
  options.type = arguments.type;
  options.statistics = arguments.common.statistics;
  options.imatrix = arguments.imatrix;
  options.force = arguments.force;
  options.token_budget = arguments.common.token_budget_given ? arguments.common.token_budget : 0;
  return options;
}

// Where nothing else may be written.
OtherFiles other_files(const ApplyArguments& options) {
  OtherFiles others{
      {options.patches.begin(), options.patches.end()}, options.common.model, {options.common.statistics}};
  others.files.emplace_back(options.out);
  others.files.emplace_back(options.imatrix);
  others.files.emplace_back(options.in_place && options.undo.empty() ? next_undo_file(options.common.model)
                                                                     : fs::path(options.undo));
  return others;
}

void print_outputs(const ApplyOutcome& outcome, const ApplyArguments& options) {
  std::cout << "Written: " << outcome.written.string() << "\n";
  if (!outcome.undo.empty())
    std::cout << "Undo:    " << outcome.undo.string() << " (emend patch revert --model "
              << shell_word(options.common.model)
              << (options.undo.empty() ? "" : " --undo " + shell_word(options.undo)) << ")\n";
}

}  // namespace

int patch_apply_command(const std::vector<std::string>& arguments) {
  ApplyArguments options;
  if (parse_apply(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  const OtherFiles others = other_files(options);
  console.keep_json_apart(others);
  const std::vector<fs::path> files(options.patches.begin(), options.patches.end());
  if (!options.out.empty()) {
    std::vector<fs::path> read = files;
    if (!options.imatrix.empty()) read.emplace_back(options.imatrix);
    require_not_among(options.out, read);
    require_output_apart("--out", options.out, {{}, {}, {options.common.statistics}});
  }
  console.check_result_file("--junit", options.junit, others);
  const ApplyOutcome outcome = apply_patches(options.common.model, model_options(options.common),
                                             load_patches(files), run_options(options), console.progress());
  for (const std::string& warning : outcome.warnings) console.warn(warning);
  print_outputs(outcome, options);
  std::cout << "\n" << full_report(outcome, {console.columns()});
  console.write_json(to_json(outcome));
  if (!options.junit.empty()) console.write_result_file(options.junit, junit_xml(apply_suites(outcome)));
  return outcome.passed.value_or(true) ? kExitDone : kExitCheckFailed;
}

}  // namespace emend
