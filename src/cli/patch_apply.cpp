// emend patch apply --model M --patch P... (--out NEW or --in-place)
#include <algorithm>
#include <iostream>
#include <optional>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/junit_file.h"
#include "cli/load_model.h"
#include "cli/patch_measure.h"
#include "emend/error.h"
#include "emend/write_back.h"
#include "pipeline/patch_checks.h"
#include "pipeline/written_json.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/fact_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

struct ApplyOptions {
  CommonOptions common;
  std::vector<std::string> patches;
  std::string out, type, undo, junit;
  bool in_place = false, force = false;
};

// What was found of one patch on the written file.
struct Applied {
  std::vector<FactState> before, after;
  std::optional<double> base_nll;
  std::vector<CheckResult> checks;
  bool passed = false;
};

Parsed parse_apply(const std::vector<std::string>& arguments, ApplyOptions& options) {
  Syntax syntax;
  syntax.command = "patch apply";
  syntax.synopsis = "--model M --patch P... (--out NEW | --in-place)";
  syntax.unused = {"bos", "seed"};
  syntax.help =
      "Writes patches into a checkpoint: a new one, or the base itself. Only the tensors that they change "
      "get "
      "other bytes. What arrives after rounding is measured, and the patches' checks are repeated on the "
      "written file.";
  syntax.own.add_options()("patch",
                           po::value(&options.patches)->multitoken()->composing()->value_name("FILE"),
                           "the patches, in the order in which they stack")(
      "out", po::value(&options.out)->value_name("NEW"),
      "the new checkpoint: a folder for safetensors, a file for GGUF")(
      "in-place", po::bool_switch(&options.in_place),
      "replace the base's own files; what `patch revert` needs is written first")(
      "undo", po::value(&options.undo)->value_name("FILE"),
      "with --in-place: the undo file (default: emend.undo in the folder, or FILE.undo)")(
      "type", po::value(&options.type)->value_name("TYPE"),
      "how edited tensors are stored: own (as they were), F32, F16, BF16, and in GGUF Q8_0, Q4_1, Q4_0 "
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

std::string written_table(const WritePlan& plan, std::size_t columns) {
  Table table({{"tensor", Align::kLeft, 20},
               {"layer", Align::kRight},
               {"was"},
               {"is"},
               {"share", Align::kRight},
               {"rounding", Align::kRight}});
  for (const PlannedTensor& tensor : plan.tensors)
    table.add_row({tensor.name, std::to_string(tensor.weight.block), tensor.old_type, tensor.new_type,
                   percent_text(tensor.share), percent_text(tensor.error)});
  return table.text(columns);
}

std::string realised_table(const WritePlan& plan, std::size_t columns) {
  Table table({{"id"},
               {"layer", Align::kRight},
               {"wanted", Align::kRight},
               {"arrived", Align::kRight},
               {"share", Align::kRight},
               {"rounding", Align::kRight},
               {"of the value", Align::kRight}});
  for (const RealisedFact& fact : plan.facts)
    table.add_row({fact.id, std::to_string(fact.weight.block), number_text(fact.wanted), number_text(fact.arrived),
                   percent_text(fact.share), percent_text(fact.error), percent_text(fact.value_error)});
  return table.text(columns);
}

// What the base says, for comparison: the patch's own figures where it stores them.
std::vector<Applied> measure_base(const Model& base, const std::vector<Patch>& patches,
                                  const CommonOptions& common, Console& console) {
  std::vector<Applied> results(patches.size());
  for (std::size_t i = 0; i < patches.size(); ++i) {
    results[i].before = stored_before(patches[i]);
    if (results[i].before.empty())
      results[i].before = measure_patch(base, patches[i], common.token_budget, console.progress());
    results[i].base_nll = held_nll(base, patches[i], common.token_budget);
  }
  return results;
}

void measure_written(const Model& written, const Patch& patch, const CommonOptions& common, Applied& result,
                     Console& console) {
  result.after = measure_patch(written, patch, common.token_budget, console.progress());
  result.checks =
      checks_of(patch, result.after, result.base_nll, held_nll(written, patch, common.token_budget));
  result.passed = all_passed(result.checks);
}

// Everything but the facts' and checks' own cases.
JunitSuite apply_suite(const std::string& name, const Patch& patch, const Applied& result,
                       const WritePlan& plan, std::size_t index) {
  JunitSuite suite = junit_suite(name, with_states(patch, result.before, result.after), result.checks);
  for (const RealisedFact& fact : plan.facts)
    if (fact.patch == index)
      suite.cases.push_back(junit_case(
          "stored " + fact.id, fact.share >= kLeastShare && fact.error <= kMostError,
          percent_text(fact.share) + " of the update arrived, with rounding of " + percent_text(fact.error)));
  return suite;
}

// Loads what was written and repeats the checks; returns the exit code.
int check_written(const fs::path& written_path, const fs::path& undo, const WritePlan& plan,
                  const std::vector<Patch>& patches, std::vector<Applied>& results,
                  const ApplyOptions& options, Console& console) {
  const Model written = load_model(written_path.string(), options.common, console);
  ResultJson list = ResultJson::array();
  std::vector<JunitSuite> suites;
  bool passed = true;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    measure_written(written, patches[i], options.common, results[i], console);
    const auto facts = with_states(patches[i], results[i].before, results[i].after);
    std::cout << "\n"
              << options.patches[i] << ", on the written file\n\n"
              << facts_table(facts, console.columns()) << "\n"
              << lost_table(facts, console.columns()) << "\n"
              << checks_table(results[i].checks, console.columns());
    list.push_back({{"path", options.patches[i]},
                    {"stored", realised_json(plan, i)},
                    {"edits", edits_json(facts)},
                    {"checks", checks_json(results[i].checks)},
                    {"difference", difference_json(largest_difference(stored_after(patches[i]), results[i].after))},
                    {"passed", results[i].passed}});
    suites.push_back(apply_suite(options.patches[i], patches[i], results[i], plan, i));
    passed = passed && results[i].passed;
  }
  std::cout << "\nChecks on the written file: " << (passed ? "passed" : "FAILED") << "\n";
  ResultJson json = {{"emend", emend_version()},
                     {"base", options.common.model},
                     {"model", model_json(written)},
                     {"tensors", written_tensors_json(plan)},
                     {"patches", list},
                     {"passed", passed}};
  if (!undo.empty()) json["undo"] = undo.string();
  console.write_json(json);
  write_junit(options.junit, suites);
  return passed ? kExitDone : kExitCheckFailed;
}

}  // namespace

int patch_apply_command(const std::vector<std::string>& arguments) {
  ApplyOptions options;
  if (parse_apply(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  OtherFiles others{{options.patches.begin(), options.patches.end()}, options.common.model, {}};
  others.files.emplace_back(options.out);
  others.files.emplace_back(options.in_place && options.undo.empty() ? next_undo_file(options.common.model)
                                                                     : fs::path(options.undo));
  console.keep_json_apart(others);
  if (!options.out.empty()) require_not_among(options.out, {options.patches.begin(), options.patches.end()});
  require_junit_writable(options.junit, options.common, others);
  const std::vector<Patch> patches = load_patches(options.patches);
  require_passed(patches, options.patches, options.force, console);
  require_no_overlap(patches, options.patches, options.force, console);
  std::optional<Model> base(load_model(options.common.model, options.common, console));
  for (std::size_t i = 0; i < patches.size(); ++i) require_base(patches[i], *base, options.patches[i]);
  const WritePlan plan = plan_write(*base, patches, options.type);
  if (!options.force) require_holds(plan);
  std::vector<Applied> results = measure_base(*base, patches, options.common, console);
  base.reset();  // there is room for one model only
  throw_if_interrupted();
  fs::path undo;
  fs::path written = options.common.model;
  if (options.in_place) {
    undo = write_in_place(plan, options.undo);
  } else {
    written = write_new(plan, options.out);
  }
  std::cout << "Written: " << written.string() << "\n";
  if (options.in_place)
    std::cout << "Undo:    " << undo.string() << " (emend patch revert --model "
              << shell_word(options.common.model)
              << (options.undo.empty() ? "" : " --undo " + shell_word(options.undo)) << ")\n";
  std::cout
      << "\n"
      << written_table(plan, console.columns()) << "\n"
      << realised_table(plan, console.columns())
      << "Share: how much of the update arrived in the stored type; rounding: what else did, relative to "
         "the update, and to the value at the key. Layers count from 0.\n";
  return check_written(written, undo, plan, patches, results, options, console);
}

}  // namespace emend
