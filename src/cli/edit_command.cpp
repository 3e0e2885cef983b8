// emend edit FILE.yaml
#include <fmt/format.h>

#include <chrono>
#include <iostream>

#include "base/nearest.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/edit_prepare.h"
#include "cli/interrupt.h"
#include "cli/junit_file.h"
#include "cli/load_model.h"
#include "emend/edit_run.h"
#include "emend/error.h"
#include "pipeline/failure.h"
#include "reports/edit_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point began) {
  return std::chrono::duration<double>(Clock::now() - began).count();
}

// Options that ask about methods instead of editing.
struct Questions {
  bool methods = false;
  std::string method;  // --help-method
};

void explain_method(const std::string& name) {
  std::vector<std::string> known;
  for (const EditorHelp& editor : list_editors()) {
    known.push_back(editor.name);
    if (editor.name != name) continue;
    std::cout << method_text(editor);
    return;
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("--help-method: unknown method {}{}", quote(name), did_you_mean(name, known)));
}

void answer(const Questions& questions) {
  if (questions.methods)
    std::cout << methods_text(list_editors());
  else
    explain_method(questions.method);
}

Parsed parse_edit(const std::vector<std::string>& arguments, EditOptions& options) {
  Syntax syntax;
  syntax.command = "edit";
  syntax.synopsis = "FILE.yaml [OPTIONS]";
  syntax.help =
      "Changes facts of a model as the edit file says, checks the edited model against the base, and writes "
      "a patch.";
  syntax.uses_statistics = true;
  syntax.positional = "file";
  syntax.positionals = 1;
  Questions questions;
  std::int64_t layer = -1;
  syntax.own.add_options()("file", po::value(&options.file))(
      "dry-run", po::bool_switch(&options.dry_run),
      "only say which layers would change, at what cost, and what conflicts")(
      "out", po::value(&options.out)->value_name("DIR"),
      "folder of outputs whose path in the file is relative")(
      "keep-going", po::bool_switch(&options.keep_going),
      "leave out edits whose search fails instead of stopping")(
      "layer", po::value(&layer)->value_name("N")->notifier([](std::int64_t value) {
        require_at_least("layer", value, 0);
      }),
      "edit this layer, whatever the file says (layers count from 0)")(
      "junit", po::value(&options.junit)->value_name("FILE"), "write edits and checks as JUnit XML")(
      "methods", po::bool_switch(&questions.methods), "list the methods")(
      "help-method", po::value(&questions.method)->value_name("METHOD"), "the options of a method");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  if (questions.methods || !questions.method.empty()) {
    answer(questions);
    return Parsed::kAnswered;
  }
  require_given(!options.file.empty(), "edit", "the edit file");
  constexpr std::int64_t kMostLayers =
      1'000'000;  // any larger number is told as this one: no model has so many
  if (layer >= 0) options.layer = static_cast<int>(std::min(layer, kMostLayers));
  return Parsed::kRun;
}

int print_plan(const PlanOutcome& plan, const EditFile& file, const Model& model, Console& console) {
  std::cout << plan_report(plan, file, model, console.columns());
  for (const std::string& warning : plan.plan.warnings) console.warn(warning);
  console.write_json(plan_json(plan, model));
  return kExitDone;
}

// Writes the patch and says how it went; returns the exit code.
int finish(const Model& model, const EditOutcome& outcome, const fs::path& patch_path,
           const std::string& junit, double total_so_far, Console& console) {
  const Patch& patch = outcome.patch;
  for (const std::string& warning : patch.edit.warnings) console.warn(warning);
  std::cout << edit_report(outcome, console.columns());
  const std::vector<std::string> failed = failed_ids(patch.edit);
  const bool writes = !patch.edit.changes.empty();
  throw_if_interrupted();
  if (writes) {
    save_patch(patch, patch_path);
    std::cout << "\nPatch: " << patch_path.string() << (patch.passed ? "" : " (marked as failed)") << "\n";
    std::cout << "Try it: " << try_it_line(outcome, model.path(), patch_path) << "\n";
  }
  console.write_json(
      edit_json(outcome, model, total_so_far, writes ? std::vector{patch_path} : std::vector<fs::path>{}));
  write_junit(junit, {junit_suite(patch_path.filename().string(), patch.edit.facts, patch.checks)});
  if (!failed.empty())
    throw Error(ErrorKind::kNumeric, fmt::format("the search failed for {}{}", join(failed),
                                                 writes ? "; the patch is without them" : ""));
  if (!patch.passed) console.note("A check failed: see the table.");
  return patch.passed ? kExitDone : kExitCheckFailed;
}

}  // namespace

int edit_command(const std::vector<std::string>& arguments) {
  const Clock::time_point began = Clock::now();
  EditOptions options;
  if (parse_edit(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  const EditFile file = prepare_edit_file(options);
  make_editor(file.method, file.options);  // throws for a bad method or option, before anything is loaded
  const fs::path patch_path = options.dry_run ? fs::path() : prepare_patch_path(file, options);
  const OtherFiles others{{options.file, patch_path}, file.model, {file.statistics}};
  console.keep_json_apart(others);
  require_junit_writable(options.junit, options.common, others);
  Model model = load_model(file.model.string(), options.common, console);
  fit_token_budget(model, options.common, console);
  console.keep_json_apart({{}, {}, {statistics_folder(model, file)}});
  const EditRunOptions how{options.common.seed, options.common.token_budget, options.keep_going};
  if (options.dry_run)
    return print_plan(plan_edit(model, file, how, console.progress()), file, model, console);
  const double load = seconds_since(began);
  EditOutcome outcome = run_edit(model, file, how, console.progress());
  outcome.seconds.load = load;
  return finish(model, outcome, patch_path, options.junit, seconds_since(began), console);
}

}  // namespace emend
