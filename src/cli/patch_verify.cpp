// emend patch verify --model M --patch P...
#include <iostream>
#include <optional>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/junit_file.h"
#include "cli/load_model.h"
#include "cli/patch_measure.h"
#include "pipeline/patch_checks.h"
#include "reports/fact_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

namespace po = boost::program_options;

// How far p(target) of a prompt may lie from what the patch stored: the same weights on another machine or
// with other threads differ by rounding only; weights in 16 bits by more.
constexpr double kTolerance = 0.02;
constexpr double kHalfTolerance = 0.1;

struct VerifyOptions {
  CommonOptions common;
  std::vector<std::string> patches;
  std::string junit;
};

struct Verified {
  std::vector<FactState> before, after;
  std::vector<CheckResult> checks;
  std::optional<double> difference_before, difference_after;  // of p(target) from the stored values, largest
  bool reproduced = true;  // the differences are within the tolerance, or there is nothing to compare with
  bool passed = false;
};

Parsed parse_verify(const std::vector<std::string>& arguments, VerifyOptions& options) {
  Syntax syntax;
  syntax.command = "patch verify";
  syntax.synopsis = "--model M --patch P...";
  syntax.unused = {"bos", "seed"};
  syntax.help =
      "Loads the model anew, lays the patches on it in the order given, measures every fact and check again "
      "and "
      "compares with what the patches say.";
  syntax.own.add_options()("patch",
                           po::value(&options.patches)->multitoken()->composing()->value_name("FILE"),
                           "the patches, in the order in which they stack")(
      "junit", po::value(&options.junit)->value_name("FILE"), "write edits and checks as JUnit XML");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "patch verify", "--model PATH");
  require_given(!options.patches.empty(), "patch verify", "--patch FILE");
  return Parsed::kRun;
}

std::vector<Verified> measure_before(const Model& model, const std::vector<Patch>& patches,
                                     const CommonOptions& common,
                                     std::vector<std::optional<double>>& base_nll, Console& console) {
  std::vector<Verified> results(patches.size());
  for (std::size_t i = 0; i < patches.size(); ++i) {
    results[i].before = measure_patch(model, patches[i], common.token_budget, console.progress());
    base_nll.push_back(held_nll(model, patches[i], common.token_budget));
  }
  return results;
}

// The model as it is now has all patches on it.
void measure_after(const Model& model, const Patch& patch, const VerifyOptions& options,
                   const std::optional<double>& base_nll, Verified& result, Console& console) {
  result.after = measure_patch(model, patch, options.common.token_budget, console.progress());
  result.checks =
      checks_of(patch, result.after, base_nll, held_nll(model, patch, options.common.token_budget));
  result.checks.push_back(check_update(patch));
  result.difference_before = largest_difference(stored_before(patch), result.before);
  result.difference_after = largest_difference(stored_after(patch), result.after);
  const double tolerance = options.common.dtype == "float32" ? kTolerance : kHalfTolerance;
  result.reproduced = result.difference_before.value_or(0) <= tolerance;
  // Among others a patch need not give what it gave alone.
  if (options.patches.size() == 1)
    result.reproduced = result.reproduced && result.difference_after.value_or(0) <= tolerance;
  result.passed = result.reproduced && all_passed(result.checks);
}

void print_verified(const std::string& file, const Patch& patch, const Verified& result,
                    std::size_t columns) {
  const auto facts = with_states(patch, result.before, result.after);
  std::cout << file << "\n\n"
            << facts_table(facts, columns) << "\n"
            << lost_table(facts, columns) << "\n"
            << checks_table(result.checks, columns)
            << "\nLargest difference of p(target) from what the patch stored: before "
            << difference_text(result.difference_before) << ", after "
            << difference_text(result.difference_after) << (result.reproduced ? "" : ", TOO MUCH") << "\n"
            << "Verified: " << (result.passed ? "yes" : "NO") << "\n";
}

ResultJson verified_json(const std::string& file, const Patch& patch, const Verified& result) {
  return {{"path", file},
          {"edits", edits_json(with_states(patch, result.before, result.after))},
          {"checks", checks_json(result.checks)},
          {"difference_before", difference_json(result.difference_before)},
          {"difference", difference_json(result.difference_after)},
          {"compared", result.difference_before && result.difference_after},
          {"passed", result.passed}};
}

JunitSuite verified_suite(const std::string& file, const Patch& patch, const Verified& result) {
  JunitSuite suite = junit_suite(file, with_states(patch, result.before, result.after), result.checks);
  suite.cases.push_back(junit_case("same as stored", result.reproduced,
                                   "p(target) differs from what the patch stored: before " +
                                       difference_text(result.difference_before) + ", after " +
                                       difference_text(result.difference_after)));
  return suite;
}

}  // namespace

int patch_verify_command(const std::vector<std::string>& arguments) {
  VerifyOptions options;
  if (parse_verify(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  const OtherFiles others{{options.patches.begin(), options.patches.end()}, options.common.model, {}};
  console.keep_json_apart(others);
  require_junit_writable(options.junit, options.common, others);
  const std::vector<Patch> patches = load_patches(options.patches);
  Model model = load_model(options.common.model, options.common, console);
  for (std::size_t i = 0; i < patches.size(); ++i) require_base(patches[i], model, options.patches[i]);
  std::vector<std::optional<double>> base_nll;
  std::vector<Verified> results = measure_before(model, patches, options.common, base_nll, console);
  const ScopedEdit scope(model, changes_of(patches));
  ResultJson list = ResultJson::array();
  std::vector<JunitSuite> suites;
  bool passed = true;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    measure_after(model, patches[i], options, base_nll[i], results[i], console);
    print_verified(options.patches[i], patches[i], results[i], console.columns());
    list.push_back(verified_json(options.patches[i], patches[i], results[i]));
    suites.push_back(verified_suite(options.patches[i], patches[i], results[i]));
    passed = passed && results[i].passed;
  }
  write_junit(options.junit, suites);
  console.write_json(
      {{"emend", emend_version()}, {"model", model_json(model)}, {"patches", list}, {"passed", passed}});
  return passed ? kExitDone : kExitCheckFailed;
}

}  // namespace emend
