// emend patch verify --model M --patch P...
#include <algorithm>
#include <cmath>
#include <iostream>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/fact_report.h"
#include "cli/held_text.h"
#include "cli/load_model.h"
#include "emend/generate.h"
#include "emend/patch.h"
#include "report/numbers.h"

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
};

struct Verified {
  std::vector<FactState> before, after;
  std::vector<CheckResult> checks;
  double difference = 0;   // of p(target) from the stored values, largest
  bool reproduced = true;  // the difference is within the tolerance, or there is nothing to compare with
  bool passed = false;
};

Parsed parse_verify(const std::vector<std::string>& arguments, VerifyOptions& options) {
  Syntax syntax;
  syntax.command = "patch verify";
  syntax.synopsis = "--model M --patch P...";
  syntax.help =
      "Loads the model anew, lays the patches on it in the order given, measures every fact and check again "
      "and "
      "compares with what the patches say.";
  syntax.own.add_options()("patch",
                           po::value(&options.patches)->multitoken()->composing()->value_name("FILE"),
                           "the patches, in the order in which they stack");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!options.common.model.empty(), "patch verify", "--model PATH");
  require_given(!options.patches.empty(), "patch verify", "--patch FILE");
  return Parsed::kRun;
}

std::vector<EditRequest> requests_of(const Patch& patch) {
  std::vector<EditRequest> requests;
  for (const EditedFact& fact : patch.edit.facts) requests.push_back(fact.request);
  return requests;
}

std::vector<bool> skipped_of(const Patch& patch) {
  std::vector<bool> skipped;
  for (const EditedFact& fact : patch.edit.facts) skipped.push_back(fact.status == "already true");
  return skipped;
}

CheckOptions options_of(const Patch& patch, const CommonOptions& common) {
  return check_options(patch.prefix, patch.form, common);
}

double largest_difference(const std::vector<FactState>& stored, const std::vector<FactState>& now) {
  double largest = 0;
  for (std::size_t i = 0; i < std::min(stored.size(), now.size()); ++i)
    largest = std::max(largest, std::abs(stored[i].prompt.p_target - now[i].prompt.p_target));
  return largest;
}

std::vector<Verified> measure_before(const Model& model, const std::vector<Patch>& patches,
                                     const CommonOptions& common, std::vector<double>& base_nll,
                                     Console& console) {
  std::vector<Verified> results(patches.size());
  for (std::size_t i = 0; i < patches.size(); ++i) {
    results[i].before =
        measure_facts(model, requests_of(patches[i]), options_of(patches[i], common), console.progress());
    base_nll.push_back(
        patches[i].held_text.empty() ? 0 : mean_nll(model, patches[i].held_text, common.token_budget));
  }
  return results;
}

// The model as it is now has all patches on it.
void measure_after(const Model& model, const Patch& patch, const VerifyOptions& options, double base_nll,
                   Verified& result, Console& console) {
  const std::vector<EditRequest> requests = requests_of(patch);
  result.after = measure_facts(model, requests, options_of(patch, options.common), console.progress());
  std::optional<double> drift;
  if (!patch.held_text.empty())
    drift = std::exp(mean_nll(model, patch.held_text, options.common.token_budget) - base_nll);
  result.checks = run_checks(requests, result.after, skipped_of(patch), drift,
                             measured_tokens(patch.held_text), patch.thresholds);
  result.difference = largest_difference(patch.after, result.after);
  const double tolerance = options.common.dtype == "float32" ? kTolerance : kHalfTolerance;
  // Among others a patch need not give what it gave alone.
  if (options.patches.size() == 1) result.reproduced = result.difference <= tolerance;
  result.passed = result.reproduced && all_passed(result.checks);
}

void print_verified(const std::string& file, const Patch& patch, const Verified& result,
                    std::size_t columns) {
  const auto facts = pair_up(patch.edit.facts, result.before, result.after);
  std::cout << file << "\n\n"
            << facts_table(facts, columns) << "\n"
            << lost_table(facts, columns) << "\n"
            << checks_table(result.checks, columns)
            << "\nLargest difference of p(target) from what the patch stored: "
            << number_text(result.difference) << (result.reproduced ? "" : ", TOO MUCH") << "\n"
            << "Verified: " << (result.passed ? "yes" : "NO") << "\n";
}

ResultJson verified_json(const std::string& file, const Patch& patch, const Verified& result) {
  return {{"path", file},
          {"edits", edits_json(pair_up(patch.edit.facts, result.before, result.after))},
          {"checks", checks_json(result.checks)},
          {"difference", result.difference},
          {"passed", result.passed}};
}

}  // namespace

int patch_verify_command(const std::vector<std::string>& arguments) {
  VerifyOptions options;
  if (parse_verify(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  std::vector<Patch> patches;
  for (const std::string& file : options.patches) patches.push_back(load_patch(file));
  Model model = load_model(options.common.model, options.common, console);
  std::vector<WeightChange> changes;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    require_base(patches[i], model, options.patches[i]);
    changes.insert(changes.end(), patches[i].edit.changes.begin(), patches[i].edit.changes.end());
  }
  std::vector<double> base_nll;
  std::vector<Verified> results = measure_before(model, patches, options.common, base_nll, console);
  const ScopedEdit scope(model, changes);
  ResultJson list = ResultJson::array();
  bool passed = true;
  for (std::size_t i = 0; i < patches.size(); ++i) {
    measure_after(model, patches[i], options, base_nll[i], results[i], console);
    print_verified(options.patches[i], patches[i], results[i], console.columns());
    list.push_back(verified_json(options.patches[i], patches[i], results[i]));
    passed = passed && results[i].passed;
  }
  console.write_json(
      {{"emend", emend_version()}, {"model", model_json(model)}, {"patches", list}, {"passed", passed}});
  return passed ? kExitDone : kExitCheckFailed;
}

}  // namespace emend
