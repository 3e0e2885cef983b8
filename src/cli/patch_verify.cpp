// emend patch verify --model M --patch P...
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <limits>
#include <optional>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/fact_report.h"
#include "pipeline/held_text.h"
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

// How far B (A k) may lie from y r, in units of ||r||; more where float32 cannot hold the product.
constexpr double kUpdateTolerance = 1e-3;
constexpr double kUpdateRounding = 1e-6;

struct VerifyOptions {
  CommonOptions common;
  std::vector<std::string> patches;
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

// Nothing when the patch stores no states.
std::optional<double> largest_difference(const std::vector<FactState>& stored,
                                         const std::vector<FactState>& now) {
  if (stored.empty()) return std::nullopt;
  double largest = 0;
  for (std::size_t i = 0; i < std::min(stored.size(), now.size()); ++i) {
    const double difference = std::abs(stored[i].prompt.p_target - now[i].prompt.p_target);
    largest =
        std::isnan(difference) ? std::numeric_limits<double>::infinity() : std::max(largest, difference);
  }
  return largest;
}

double norm_of(const at::Tensor& tensor) {
  return tensor.norm().item<double>();
}

// ||r|| of a fact, kept away from 0.
double residual_size(const at::Tensor& residual) {
  return std::max(norm_of(residual), std::numeric_limits<double>::min());
}

// `keys: original` answers one key at a time: the others' rows are not zero on it.
bool solved_jointly(const Patch& patch) {
  const auto keys = patch.edit.options.find("keys");
  return keys == patch.edit.options.end() || keys->second != "original";
}

// The row of the change that carries this fact: its column of B is nearest to the residual.
std::int64_t own_row(const at::Tensor& B, const at::Tensor& residual) {
  return (B - residual.unsqueeze(1)).norm(2, {0}).argmin().item<std::int64_t>();
}

// How far the change lies from what the fact's keys, answers, residual and norm say, relative.
double update_error(const Patch& patch, const EditedFact& fact, const WeightChange& change) {
  at::Tensor A = change.A.to(at::kDouble);
  at::Tensor B = change.B.to(at::kDouble);
  const at::Tensor keys = fact.keys.to(at::kDouble);
  const at::Tensor answers = fact.answers.to(at::kDouble);
  const at::Tensor residual = fact.residual.to(at::kDouble);
  const double size = residual_size(residual);
  const std::int64_t row = own_row(B, residual);
  const double norm = norm_of(A.select(0, row)) * size;
  double largest = norm_of(B.select(1, row) - residual) / size;
  largest = std::max(largest, std::abs(norm - fact.update_norm) / std::max(norm, fact.update_norm));
  if (!solved_jointly(patch)) {
    A = A.narrow(0, row, 1);
    B = B.narrow(1, row, 1);
  }
  for (std::int64_t j = 0; j < keys.size(0); ++j) {
    const at::Tensor off = at::mv(B, at::mv(A, keys[j])) - answers[j] * residual;
    const double rounding = kUpdateRounding * norm_of(A) * norm_of(B) * norm_of(keys[j]);
    largest = std::max(largest, std::max(norm_of(off) - rounding, 0.0) / size);
  }
  return largest;
}

// Does the change do to every stored key what its fact says: B (A k) = y r?
CheckResult check_update(const Patch& patch) {
  CheckResult result{"update", std::nullopt, kUpdateTolerance, false, 0};
  for (const EditedFact& fact : patch.edit.facts) {
    if (fact.status != "edited") continue;
    for (const WeightChange& change : patch.edit.changes) {
      if (change.block != fact.layer) continue;
      double error = update_error(patch, fact, change);
      if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
      result.value = std::max(result.value.value_or(0), error);
      result.n += fact.keys.size(0);
    }
  }
  result.passed = result.value && *result.value <= kUpdateTolerance;
  return result;
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
  result.checks.push_back(check_update(patch));
  result.difference_before = largest_difference(patch.before, result.before);
  result.difference_after = largest_difference(patch.after, result.after);
  const double tolerance = options.common.dtype == "float32" ? kTolerance : kHalfTolerance;
  result.reproduced = result.difference_before.value_or(0) <= tolerance;
  // Among others a patch need not give what it gave alone.
  if (options.patches.size() == 1)
    result.reproduced = result.reproduced && result.difference_after.value_or(0) <= tolerance;
  result.passed = result.reproduced && all_passed(result.checks);
}

std::string difference_text(const std::optional<double>& difference) {
  return difference ? number_text(*difference) : "not compared (the patch stores none)";
}

ResultJson difference_json(const std::optional<double>& difference) {
  return difference ? ResultJson(*difference) : ResultJson(nullptr);
}

void print_verified(const std::string& file, const Patch& patch, const Verified& result,
                    std::size_t columns) {
  const auto facts = pair_up(patch.edit.facts, result.before, result.after);
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
          {"edits", edits_json(pair_up(patch.edit.facts, result.before, result.after))},
          {"checks", checks_json(result.checks)},
          {"difference_before", difference_json(result.difference_before)},
          {"difference", difference_json(result.difference_after)},
          {"compared", result.difference_before && result.difference_after},
          {"passed", result.passed}};
}

}  // namespace

int patch_verify_command(const std::vector<std::string>& arguments) {
  VerifyOptions options;
  if (parse_verify(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  console.keep_json_apart({{options.patches.begin(), options.patches.end()}, options.common.model, {}});
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
