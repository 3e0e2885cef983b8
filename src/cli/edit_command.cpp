// emend edit FILE.yaml, FILE.jsonl
#include <chrono>
#include <iostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/edit_options.h"
#include "cli/interrupt.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "emend/edit_run.h"
#include "emend/error.h"
#include "emend/report.h"
#include "pipeline/edit_memory.h"
#include "pipeline/failure.h"
#include "reports/edit_page.h"
#include "reports/edit_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

int print_plan(const PlanOutcome& plan, const Model& model, Console& console) {
  std::cout << full_report(plan, {console.columns()});
  for (const std::string& warning : plan.plan.warnings) console.warn(warning);
  console.write_json(to_json(plan, model));
  return kExitDone;
}

// Everything that can be refused before the model is loaded.
void check_outputs(const EditOptions& options, const EditFile& file, const fs::path& patch_path,
                   const Console& console) {
  require_output_apart("outputs: patch:", patch_path, {{}, {}, {file.statistics}});
  OtherFiles others{{options.file, patch_path, options.on}, file.model, {file.statistics}};
  if (!options.dry_run) others.files.push_back(run_file_of(patch_path));
  console.check_result_file("--junit", options.junit, others);
  others.files.emplace_back(options.junit);
  console.check_report(options.report, others);
}

// Writes the patch and says how it went; returns the exit code.
int finish(const Model& model, const EditOutcome& outcome, const fs::path& patch_path,
           const EditOptions& options, Console& console) {
  const Patch& patch = outcome.patch;
  for (const std::string& warning : patch.edit.warnings) console.warn(warning);
  std::cout << full_report(outcome, {console.columns()});
  const std::vector<std::string> failed = failed_ids(patch.edit);
  const bool writes = !patch.edit.changes.empty();
  throw_if_interrupted();
  if (writes) {
    save_patch(patch, patch_path);
    std::cout << "\nPatch: " << patch_path.string() << (patch.passed ? "" : " (marked as failed)") << "\n";
    std::cout << "Try it: " << try_it_line(outcome, model.path(), patch_path) << "\n";
  }
  fs::remove(run_file_of(patch_path));
  console.write_json(to_json(outcome, model, writes ? OutputFiles{patch_path} : OutputFiles{}));
  if (!options.junit.empty())
    console.write_result_file(
        options.junit,
        junit_xml({junit_suite(patch_path.filename().string(), patch.edit.facts, patch.checks)}));
  console.write_report(options.report, [&] { return edit_page(outcome); });
  if (!failed.empty())
    throw Error(ErrorKind::kNumeric,
                "the search failed for " + join(failed) + (writes ? "; the patch is without them" : ""));
  if (!patch.passed) console.note("A check failed: see the table.");
  const bool all_in = !outcome.budget || outcome.budget->left_out.empty();
  return patch.passed && all_in ? kExitDone : kExitCheckFailed;
}

// A run that is stopped or finds no room on the disk leaves its values for --resume. A search that fails
// would fail again: then nothing stays.
EditOutcome run_keeping_values(Model& model, const EditFile& file, const EditRunOptions& how,
                               Console& console) {
  try {
    return run_edit(model, file, how, console.progress());
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNumeric) fs::remove(how.run_file);
    throw;
  }
}

}  // namespace

int edit_command(const std::vector<std::string>& arguments) {
  const Clock::time_point began = Clock::now();
  EditOptions options;
  if (parse_edit(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  const EditFile file = prepare_edit_file(options);
  const auto editor =
      make_editor(file.method, file.options);  // throws for a bad method or option, before anything is loaded
  const fs::path patch_path = options.dry_run ? fs::path() : prepare_patch_path(file, options);
  check_outputs(options, file, patch_path, console);
  Model model = load_model(file.model.string(), options.common, console, [&](const ModelConfig& config) {
    const ComputeType type = parse_compute_type(options.common.dtype);
    return edit_work_bytes(
        config, type, options.common.token_budget,
        least_edit_memory(file.model, *editor, file, options.common.token_budget, options.on, type));
  });
  fit_token_budget(model, options.common, console);
  const OtherFiles statistics{{}, {}, {statistics_folder(model, file)}};
  console.keep_json_apart(statistics);
  require_output_apart("--report", options.report, statistics);
  require_output_apart("--junit", options.junit, statistics);
  require_output_apart("outputs: patch:", patch_path, statistics);
  EditRunOptions how{options.common.seed, options.common.token_budget, options.keep_going, nullptr,
                     options.on};
  how.memory_bytes = options.common.memory_bytes;
  if (options.dry_run) return print_plan(plan_edit(model, file, how, console.progress()), model, console);
  const double load = seconds_since(began);
  how.run_file = run_file_of(patch_path);
  how.resume = options.resume;
  how.budget = options.budget;
  EditOutcome outcome = run_keeping_values(model, file, how, console);
  outcome.seconds.load = load;
  outcome.seconds.total += load;
  return finish(model, outcome, patch_path, options, console);
}

}  // namespace emend
