// What the runs over patches share: reading them, refusing them, holding them to what they store.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/strings.h"
#include "delivery/solve_again.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "linalg/response_solver.h"

namespace emend {
namespace {

// How far B (A k) may lie from y r, in units of ||r||; more where float32 cannot hold the product.
constexpr double kUpdateTolerance = 1e-3;
constexpr double kUpdateRounding = 1e-6;

// ||r|| of a fact, kept away from 0.
double residual_size(const at::Tensor& residual) {
  return std::max(norm_of(residual), std::numeric_limits<double>::min());
}

// A change, or one of its rows alone, in float64.
struct Factors {
  Factors(at::Tensor a, at::Tensor b)
      : A(std::move(a)), B(std::move(b)), rounding(kUpdateRounding * norm_of(A) * norm_of(B)) {}

  at::Tensor A, B;
  double rounding;  // of B A k, in units of ||k||
};

// The keys whose answers are not allowed a slack (a protected key may get a share of the edit).
std::vector<std::int64_t> exact_answers(const FactPart& part) {
  std::vector<std::int64_t> exact;
  for (std::int64_t j = 0; j < part.keys.size(0); ++j)
    if (!part.slack.defined() || part.slack[j].item<double>() == 0) exact.push_back(j);
  return exact;
}

// How far the change lies from what the fact's keys, answers, residual and norm say, relative.
double update_error(const WeightSolve& solve, const FactPart& part, const Factors& change) {
  const at::Tensor keys = part.keys.to(at::kDouble);
  const at::Tensor answers = part.answers.to(at::kDouble);
  const at::Tensor residual = part.residual.to(at::kDouble);
  const double size = residual_size(residual);
  const std::int64_t row = part.rows.at(0);
  const double norm = norm_of(change.A.select(0, row)) * size;
  double largest = norm_of(change.B.select(1, row) - residual) / size;
  largest = std::max(largest, std::abs(norm - part.update_norm) / std::max(norm, part.update_norm));
  const Factors asked =
      is_joint(solve) ? change : Factors(change.A.narrow(0, row, 1), change.B.narrow(1, row, 1));
  for (const std::int64_t j : exact_answers(part)) {
    const at::Tensor off = at::mv(asked.B, at::mv(asked.A, keys[j])) - answers[j] * residual;
    const double rounding = asked.rounding * norm_of(keys[j]);
    largest = std::max(largest, std::max(norm_of(off) - rounding, 0.0) / size);
  }
  return largest;
}

// Whether the change promises exact answers at the keys of its facts, so that these tell it.
bool is_exact(const WeightSolve& solve, const WeightChange& change) {
  return !change.is_dense() && (solve.rule == SolveRule::kEquality || solve.rule == SolveRule::kEachAlone);
}

// " (efficacy, drift)"; empty when none is named.
std::string failed_checks_text(const Patch& patch) {
  const std::vector<std::string> names = failed_checks(patch.checks);
  return names.empty() ? "" : fmt::format(" ({})", join(names));
}

std::string failed_warning(const NamedPatch& named) {
  return named.name + ": this patch is marked as failed";
}

std::string conflict_text(const std::vector<NamedPatch>& patches, const KeyConflict& conflict) {
  return fmt::format(
      "{} and {} overlap: the edits {} and {} write the same key at layer {}, and their updates would add up",
      patches[conflict.first_patch].name, patches[conflict.second_patch].name, quote(conflict.first_id),
      quote(conflict.second_id), conflict.layer);
}

}  // namespace

std::vector<NamedPatch> load_patches(const std::vector<std::filesystem::path>& files) {
  std::vector<NamedPatch> patches;
  for (const std::filesystem::path& file : files) patches.push_back({file.string(), load_patch(file)});
  return patches;
}

std::vector<Patch> without_names(const std::vector<NamedPatch>& patches) {
  std::vector<Patch> plain;
  for (const NamedPatch& named : patches) plain.push_back(named.patch);
  return plain;
}

std::vector<WeightChange> changes_of(const std::vector<NamedPatch>& patches) {
  std::vector<WeightChange> changes;
  for (const NamedPatch& named : patches)
    changes.insert(changes.end(), named.patch.edit.changes.begin(), named.patch.edit.changes.end());
  return changes;
}

std::vector<std::string> require_bases(const std::vector<NamedPatch>& patches, const Model& model) {
  std::vector<std::string> warnings;
  for (const NamedPatch& named : patches) {
    require_base(named.patch, model, named.name);
    if (!named.patch.passed) warnings.push_back(failed_warning(named));
  }
  return warnings;
}

std::vector<std::string> require_stack(const std::vector<NamedPatch>& patches, const Model& model) {
  std::vector<std::string> warnings = require_bases(patches, model);
  if (patches.size() < 2) return warnings;
  const std::vector<std::string> overlaps = overlaps_among(patches);
  if (!overlaps.empty())
    throw Error(ErrorKind::kModel, overlaps.front() + "; leave one out, or edit both together");
  return warnings;
}

std::vector<std::string> overlaps_of(const std::vector<NamedPatch>& below,
                                     const std::vector<NamedPatch>& above) {
  if (above.empty()) return {};
  std::vector<NamedPatch> all = below;
  all.insert(all.end(), above.begin(), above.end());
  std::vector<std::string> lines;
  for (const KeyConflict& conflict : key_conflicts(without_names(all), kSameKey))
    if (conflict.first_patch < below.size() && conflict.second_patch >= below.size())
      lines.push_back(conflict_text(all, conflict));
  return lines;
}

std::vector<std::string> overlaps_among(const std::vector<NamedPatch>& patches) {
  std::vector<std::string> lines;
  for (const KeyConflict& conflict : key_conflicts(without_names(patches), kSameKey))
    lines.push_back(conflict_text(patches, conflict));
  return lines;
}

std::vector<std::string> require_usable(const std::vector<NamedPatch>& patches, bool force) {
  std::vector<std::string> warnings;
  for (const NamedPatch& named : patches) {
    if (named.patch.passed) continue;
    if (!force)
      throw Error(ErrorKind::kModel, fmt::format("{}: this patch is marked as failed{}: its own checks did "
                                                 "not pass; the option force uses it nevertheless",
                                                 named.name, failed_checks_text(named.patch)));
    warnings.push_back(failed_warning(named));
  }
  for (const std::string& overlap : overlaps_among(patches)) {
    if (!force)
      throw Error(ErrorKind::kModel,
                  overlap + "; leave one out, edit both together, or use the option force");
    warnings.push_back(overlap);
  }
  return warnings;
}

CheckResult check_update(const Patch& patch) {
  CheckResult result{"update", std::nullopt, kUpdateTolerance, false, 0};
  for (const WeightChange& change : patch.edit.changes) {
    const WeightSolve& solve = *patch.edit.solve_of(change.weight);
    if (!is_exact(solve, change)) continue;
    const Factors factors(change.A.to(at::kDouble), change.B.to(at::kDouble));
    for (const FactRecord* const fact : edited_at(patch.edit, change.weight)) {
      const FactPart& part = *fact->part_at(change.weight);
      double error = update_error(solve, part, factors);
      if (!std::isfinite(error)) error = std::numeric_limits<double>::infinity();
      result.value = std::max(result.value.value_or(0), error);
      result.n += static_cast<std::int64_t>(exact_answers(part).size());
    }
  }
  result.passed = result.value && *result.value <= kUpdateTolerance;
  return result;
}

std::vector<WeightSolve> solves_without_update_check(const Patch& patch) {
  std::vector<WeightSolve> solves;
  for (const WeightChange& change : patch.edit.changes) {
    const WeightSolve& solve = *patch.edit.solve_of(change.weight);
    if (!is_exact(solve, change)) solves.push_back(solve);
  }
  return solves;
}

}  // namespace emend
