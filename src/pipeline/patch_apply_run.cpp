#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <new>
#include <stdexcept>

#include "emend/adapter.h"
#include "emend/error.h"
#include "emend/patch_run.h"
#include "model/device_memory.h"
#include "pipeline/failure.h"
#include "pipeline/patch_checks.h"
#include "pipeline/patch_moments.h"

namespace emend {
namespace {

void check(const ApplyOptions& options, std::int64_t least_token_budget) {
  if (options.out.empty() != options.in_place)
    throw Error(ErrorKind::kUsage, "either out names the new checkpoint, or in-place replaces the base");
  if (options.token_budget < least_token_budget)
    throw Error(ErrorKind::kUsage, fmt::format("the token budget must be at least {}, found {}",
                                               least_token_budget, options.token_budget));
}

// The options with a token budget that suits the model's device, unless they have one.
ApplyOptions with_token_budget(ApplyOptions options, const Model& base, Progress& progress) {
  if (options.token_budget > 0) return options;
  const at::Device device = base.options().device();
  options.token_budget = default_token_budget(device);
  if (device.is_cuda() && options.token_budget < kGpuTokenBudget)
    progress.note(
        fmt::format("{} has little memory free: passes of at most {} tokens (the option "
                    "token-budget)",
                    device.str(), options.token_budget));
  return options;
}

RoundingWeights rounding_weights(const Model& base, const std::vector<NamedPatch>& patches,
                                 const ApplyOptions& options) {
  RoundingWeights weights(moments_to_round(base, patches, options));
  weights.imatrix = options.imatrix;
  return weights;
}

// An importance matrix that was given and weighted nothing.
void warn_of_unused_imatrix(const ApplyOptions& options, PreparedWrite& prepared) {
  if (options.imatrix.empty()) return;
  const auto is_rounded = [](const PlannedTensor& tensor) { return tensor.rounding.has_value(); };
  if (std::none_of(prepared.plan.tensors.begin(), prepared.plan.tensors.end(), is_rounded))
    prepared.warnings.push_back(
        fmt::format("{} was not used: no edited tensor keeps a quantised type (the type own keeps it)",
                    options.imatrix.string()));
}

// The output, refused before long work. A model made in memory is left to plan_write.
void check_output(const Model& base, const std::vector<NamedPatch>& patches, const ApplyOptions& options) {
  if (base.path().empty()) return;
  if (options.in_place)
    require_in_place(base, without_names(patches), options.undo);
  else
    require_new_place(base.path(), options.out);
}

// The same before the base is loaded. What cannot be opened is left to Model::load.
void check_output(const std::filesystem::path& base, const ModelOptions& how,
                  const std::vector<NamedPatch>& patches, const ApplyOptions& options) {
  std::error_code unreadable;
  if (!std::filesystem::exists(base, unreadable)) return;
  if (options.in_place)
    check_output(Model::describe(base, how), patches, options);
  else
    require_new_place(base, options.out);
}

// Throws what went wrong after the writing again, saying what is there by now. An exception that is not the
// library's own (a caller's, from `progress`) stays what it is.
[[noreturn]] void rethrow_after_write(const std::exception_ptr& failure, const ApplyOutcome& outcome) {
  const std::string undo =
      outcome.undo.empty() ? "" : fmt::format("; the undo file is {}", outcome.undo.string());
  const std::string message = fmt::format("{} ({} is written already, but was not checked{})",
                                          describe_failure(failure).message, outcome.written.string(), undo);
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    throw Error(error.kind(), message);
  } catch (const std::filesystem::filesystem_error&) {
    throw Error(ErrorKind::kIo, message);
  } catch (const std::bad_alloc&) {
    throw std::runtime_error(message);
  } catch (const c10::Error&) {
    throw std::runtime_error(message);
  }
}

AppliedPatch check_patch(const Model& written, const NamedPatch& named, const std::vector<FactState>& before,
                         const std::optional<double>& base_nll, std::int64_t token_budget,
                         Progress& progress) {
  const Patch& patch = named.patch;
  const std::vector<FactState> after = measure_patch(written, patch, token_budget, progress);
  AppliedPatch result;
  result.name = named.name;
  result.facts = with_states(patch, before, after);
  result.checks = checks_of(patch, before, after, base_nll, held_nll(written, patch, token_budget));
  result.difference = largest_difference(stored_after(patch), after);
  result.passed = passes(patch.edit, result.checks);
  return result;
}

// Loads what was written, and repeats the checks of all patches on it.
void check_written(const PreparedWrite& prepared, const ModelOptions& how, const ApplyOptions& options,
                   ApplyOutcome& outcome, Progress& progress) {
  const Model written = Model::load(outcome.written, how, progress);
  outcome.config = written.config();
  outcome.fingerprint = written.fingerprint();
  progress.poll();
  outcome.passed = true;
  for (std::size_t i = 0; i < prepared.patches.size(); ++i) {
    outcome.patches.push_back(check_patch(written, prepared.patches[i], prepared.before[i],
                                          prepared.base_nll[i], options.token_budget, progress));
    outcome.passed = *outcome.passed && outcome.patches.back().passed;
  }
}

}  // namespace

PreparedWrite prepare_write(const Model& base, std::vector<NamedPatch> patches, const ApplyOptions& options,
                            Progress& progress) {
  check(options, 1);
  PreparedWrite prepared;
  prepared.warnings = require_usable(patches, options.force);
  for (const NamedPatch& named : patches) require_base(named.patch, base, named.name);
  check_output(base, patches, options);
  prepared.patches = std::move(patches);
  prepared.plan = plan_write(base, without_names(prepared.patches), options.type,
                             rounding_weights(base, prepared.patches, options));
  warn_of_unused_imatrix(options, prepared);
  if (!options.force) require_holds(prepared.plan);
  if (!options.check) return prepared;
  // What the base says, for comparison: the patch's own figures where it stores them.
  for (const NamedPatch& named : prepared.patches) {
    std::vector<FactState> before = stored_before(named.patch);
    if (before.empty()) before = measure_patch(base, named.patch, options.token_budget, progress);
    prepared.before.push_back(std::move(before));
    prepared.base_nll.push_back(held_nll(base, named.patch, options.token_budget));
  }
  return prepared;
}

ApplyOutcome finish_write(PreparedWrite prepared, const ModelOptions& how, const ApplyOptions& options,
                          Progress& progress) {
  if (options.check && prepared.before.size() != prepared.patches.size())
    throw Error(ErrorKind::kUsage,
                "the write was prepared without checks, so that what is written cannot be checked");
  progress.poll();
  ApplyOutcome outcome;
  outcome.plan = std::move(prepared.plan);
  outcome.warnings = std::move(prepared.warnings);
  for (const NamedPatch& named : prepared.patches) outcome.names.push_back(named.name);
  outcome.subjects = subjects_of(without_names(prepared.patches));
  if (options.in_place) {
    outcome.undo = write_in_place(outcome.plan, options.undo);
    outcome.written = outcome.plan.base;
  } else {
    outcome.written = write_new(outcome.plan, options.out);
  }
  if (!options.check) return outcome;
  try {
    check_written(prepared, how, options, outcome, progress);
  } catch (...) {
    rethrow_after_write(std::current_exception(), outcome);
  }
  return outcome;
}

ApplyOutcome apply_patches(const std::filesystem::path& base, const ModelOptions& how,
                           std::vector<NamedPatch> patches, const ApplyOptions& options, Progress& progress) {
  check(options, 0);
  ApplyOptions fitted = options;
  check_output(base, how, patches, options);
  PreparedWrite prepared = [&] {
    const Model model = Model::load(base, how, progress);
    progress.poll();
    fitted = with_token_budget(options, model, progress);
    return prepare_write(model, std::move(patches), fitted, progress);
  }();
  return finish_write(std::move(prepared), how, fitted, progress);
}

}  // namespace emend
