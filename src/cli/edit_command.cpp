// emend edit FILE.yaml, FILE.jsonl
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "base/nearest.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "cli/layer_option.h"
#include "cli/next_step.h"
#include "cli/process_group_run.h"
#include "cli/try_it.h"
#include "console/hints.h"
#include "console/interrupt.h"
#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "emend/records.h"
#include "emend/report.h"
#include "emend/reproduce.h"
#include "io/model_path.h"
#include "pipeline/drift_budget.h"
#include "pipeline/edit_job.h"
#include "pipeline/edit_memory.h"
#include "reports/edit_page.h"
#include "reports/edit_report.h"
#include "reports/junit_report.h"

namespace emend {
namespace {

struct EditArguments {
  std::filesystem::path file, out;
  EditRunOptions run;
  std::string method;                // --editor; empty: that of the file
  std::optional<LayerChoice> layer;  // --layer
  std::optional<Protect> protect;    // --protect
  std::optional<TargetEnd> end;      // --end
  bool dry_run = false;
  bool reproduce_texts = false;
  std::vector<std::string> arguments;  // as they were given
};

Protect protect_named(const std::string& text) {
  if (const auto protect = parse_protect(text)) return *protect;
  throw Error(ErrorKind::kUsage, "--protect must be none, neighbours or auto, found " + quote(text) +
                                     did_you_mean(text, {"none", "neighbours", "auto"}));
}

// Options that ask about methods instead of editing.
struct Questions {
  bool methods = false;
  std::string method;  // --help-method
};

bool answer(const Questions& questions) {
  if (questions.methods) {
    std::cout << methods_text(list_editors());
    return true;
  }
  if (questions.method.empty()) return false;
  require_method("--help-method", questions.method, benchmark_editors());
  for (const EditorHelp& editor : list_editors(benchmark_editors()))
    if (editor.name == questions.method) std::cout << method_text(editor);
  return true;
}

TargetEnd end_named(const std::string& text) {
  if (const auto end = parse_target_end(text)) return *end;
  throw Error(ErrorKind::kUsage, "--end must be auto, eos or none, found " + quote(text) +
                                     did_you_mean(text, {"auto", "eos", "none"}));
}

void refuse_with_dry_run(const OptionList& options, const EditRunOptions& run) {
  const auto refuse = [](bool given, const char* what) {
    if (given) throw Error(ErrorKind::kUsage, std::string(what) + ": it does not go with --dry-run");
  };
  refuse(run.budget.has_value(), "--budget-drift measures edits that are made");
  refuse(!options.report_file.empty(), "--report shows edits that were made");
  refuse(!options.junit_file.empty(), "--junit holds edits that were made");
  refuse(run.resume, "--resume is for edits that are made");
}

void add_run_options(OptionList& options, EditArguments& asked) {
  options
      .flag("dry-run", asked.dry_run, "only say which layers would change, at what cost, and what conflicts")
      .text("out", asked.out, "DIR", "folder of outputs whose path in the file is relative")
      .flag("keep-going", asked.run.keep_going, "leave out edits whose search fails instead of stopping")
      .flag("resume", asked.run.resume,
            "go on with the values that a stopped run kept beside its patch (PATCH.run)");
  add_layer_option(
      options, asked.layer,
      "edit this layer, whatever the file says: a number (layers count from 0), depth (1 + "
      "round(layers / 10)), or auto (a decision that is kept, else a trial of the file's edits)");
  options
      .value("protect", "WHAT",
             "whose answers to the edited prompts the edit leaves alone, whatever the file says: none, "
             "neighbours (the `bleed` subjects and neighbours of the file), auto (these and others that the "
             "model names). Where neither says: auto by methods that can, up to 100 edits, else none",
             [&asked](const std::string& text) { asked.protect = protect_named(text); })
      .value("end", "WHAT",
             "what follows the target in the search, whatever the file says: eos (the model is taught to end "
             "its "
             "text there), none, auto (eos for prompts in chat form)",
             [&asked](const std::string& text) { asked.end = end_named(text); })
      .text("editor", asked.method, "METHOD", "edit by this method, whatever the file says")
      .check([&asked] {
        if (!asked.method.empty()) require_method("--editor", asked.method);
      })
      .text("on", asked.run.on, "PATCH",
            "a patch whose facts are kept: the new patch holds them too, solved together with those of the "
            "file (methods that carry earlier facts: bulk and its kin)",
            Use::kReads);
}

// Adds --budget-drift, and --budget-batch, which needs it.
void add_budget_options(OptionList& options, std::optional<DriftBudget>& budget) {
  const auto batch = std::make_shared<std::optional<std::int64_t>>();
  options
      .value(
          "budget-drift", "X",
          "stop adding facts when the perplexity of held text, edited over base, passes X, or with kl:X the "
          "mean KL in nats; exit code 4 if some were left out (methods that carry earlier facts)",
          [&budget](const std::string& text) { budget = parse_drift_budget(text); })
      .from(1, "budget-batch", *batch, "N",
            "facts that are added between two measurements of --budget-drift (default: a tenth of them, at "
            "most 100)")
      .check([&budget, batch] {
        constexpr std::int64_t kMostFacts = 1'000'000;
        if (*batch && !budget)
          throw Error(ErrorKind::kUsage,
                      "--budget-batch says how often --budget-drift measures: give that, too");
        if (budget) budget->batch = static_cast<int>(std::min(batch->value_or(0), kMostFacts));
      });
}

// Takes --methods and --help-method, too, which are answered at once.
void add_edit_options(CommandFrame& frame, EditArguments& asked) {
  const auto questions = std::make_shared<Questions>();
  frame.syntax.uses_statistics = true;
  frame.syntax.uses_memory = true;
  OptionList& options = frame.options;
  options.argument("file", asked.file, "the edit file", Use::kReads);
  add_run_options(options, asked);
  add_budget_options(options, asked.run.budget);
  options.junit("write edits and checks as JUnit XML")
      .report("write an HTML page with facts, checks and charts")
      .flag("reproduce-texts", asked.reproduce_texts,
            "put the text of the edit file into PATCH.reproduce.json, which emend reproduce takes")
      .flag("methods", questions->methods, "list the methods")
      .text("help-method", questions->method, "METHOD",
            "the options of a method, also of one that only emend eval takes")
      .check([&options, &asked] {
        if (asked.dry_run) refuse_with_dry_run(options, asked.run);
      });
  frame.answers = [questions] { return answer(*questions); };
}

// Reads the edit file; --model, --bos, --statistics, --editor, --layer, --protect and --end win over it.
// Throws as read_edit_file does, and Error(kUsage) when nobody names a model.
EditFile prepare_edit_file(const CommandFrame& frame, const EditArguments& asked) {
  EditFile file = read_edit_file(asked.file);
  const CommonOptions& common = frame.common;
  if (!common.model.empty()) {
    file.model = common.model;
    file.model_where.clear();
  }
  if (file.model.empty())
    throw Error(ErrorKind::kUsage,
                fmt::format("edit: no model: {} names none, so --model PATH is needed", asked.file.string()));
  if (common.bos) file.bos = *common.bos;
  if (asked.protect) file.protect = asked.protect;
  if (asked.end) file.end = *asked.end;
  if (!common.statistics.empty()) file.statistics = common.statistics;
  if (!asked.method.empty()) {
    file.method = asked.method;
    file.method_where = "--editor";
  }
  if (asked.layer) file.layer = *asked.layer;
  return file;
}

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// What the command line and the edit file say together.
struct EditWork {
  EditFile file;
  fs::path patch;  // empty: only a plan is asked for
  std::shared_ptr<const Editor> editor = nullptr;
};

// All that can be told before a model is loaded. The frame gets the model and the statistics of the file.
EditWork prepare(CommandFrame& frame, EditArguments& asked) {
  EditWork work{prepare_edit_file(frame, asked), {}, {}};
  work.editor = editor_of(work.file);  // throws for a bad method or option
  require_model_path(work.file.model, work.file.model_where);
  frame.common.model = work.file.model.string();
  frame.common.statistics = work.file.statistics.string();
  if (asked.dry_run) return work;
  work.patch = patch_path_of(work.file, asked.file, asked.out);
  asked.run.run_file = run_file_of(work.patch);
  if (!asked.out.empty()) require_writable_folder(asked.out);
  require_ending(work.patch, OutputForm::kSafetensors);
  require_writable_file(work.patch);
  require_not_among(work.patch, {asked.file, work.file.model, asked.run.on});
  return work;
}

// Outputs do not lie among statistics, also where the model tells where those are.
void keep_out_of_statistics(const CommandFrame& frame, const EditWork& work, const fs::path& folder,
                            const Console& console) {
  const OtherFiles statistics{{}, {}, {folder}};
  console.keep_json_apart(statistics);
  require_output_apart("--report", frame.options.report_file, statistics);
  require_output_apart("--junit", frame.options.junit_file, statistics);
  require_output_apart("outputs: patch:", work.patch, statistics);
}

// What `emend reproduce` needs to do it again.
FinishedRun finished_edit(const EditArguments& asked, const CommonOptions& common, const fs::path& patch_path,
                          const Patch& patch) {
  FinishedRun run;
  run.command = "edit";
  run.arguments = asked.arguments;
  run.inputs = {{"", asked.file}, {"on", asked.run.on}, {"statistics", common.statistics}};
  run.seed = common.seed;
  run.token_budget = common.token_budget;
  for (const WeightSolve& solve : patch.edit.solves)
    run.statistics += (run.statistics.empty() ? "" : " ") + solve.statistics_fingerprint;
  run.folder = asked.out.empty() ? asked.file.parent_path() : asked.out;
  run.outputs = {patch_path};
  run.with_texts = asked.reproduce_texts;
  return run;
}

// Where the patch is, or that there is none. One of an earlier run stays where it is, and must not be taken
// for that of this run.
std::string where_the_patch_is(const EditOutcome& outcome, const Model& model, const fs::path& patch_path,
                               bool writes) {
  if (writes)
    return fmt::format("\nPatch: {}{}\nTry it: {}\n", patch_path.string(),
                       outcome.patch.passed ? "" : " (marked as failed)",
                       try_it_line(outcome, model.path(), patch_path));
  const bool stays = fs::exists(patch_path);
  return "\nNo patch was written" + (stays ? "; " + patch_path.string() + " is that of an earlier run" : "") +
         ".\n";
}

// Writes the patch and says how it went; returns the exit code.
int finish(CommandFrame& frame, const EditArguments& asked, const Model& model, const EditOutcome& outcome,
           const fs::path& patch_path, Console& console) {
  const Patch& patch = outcome.patch;
  for (const std::string& warning : patch.edit.warnings) console.warn(warning);
  console.print(full_report(outcome, {console.columns()}));
  const bool writes = !patch.edit.changes.empty();
  throw_if_interrupted();
  if (writes) {
    save_patch(patch, patch_path);
    leave_reproduce_file(reproduce_file_of(patch_path), finished_edit(asked, frame.common, patch_path, patch),
                         model);
  }
  fs::remove(run_file_of(patch_path));
  const auto junit = [&] {
    return junit_xml({junit_suite(patch_path.filename().string(), patch.edit.facts, patch.checks)});
  };
  frame.show(console, where_the_patch_is(outcome, model, patch_path, writes),
             to_json(outcome, model, writes ? OutputFiles{patch_path} : OutputFiles{}),
             {.report = [&] { return edit_page(outcome); }, .junit = junit});
  const std::vector<std::string> failed = failed_ids(patch.edit);
  if (!failed.empty())
    throw Error(ErrorKind::kNumeric, "the search failed for " + join(failed) +
                                         (writes ? "; the patch is without them" : "; no patch was written"));
  if (!patch.passed && writes)
    for (const std::string& step : next_steps(patch, model.path(), patch_path)) console.note(step);
  if (!patch.passed)
    console.note("A check failed: see the table. docs/troubleshooting.md names causes and cures.");
  const bool all_in = !outcome.budget || outcome.budget->left_out.empty();
  return patch.passed && all_in ? kExitDone : kExitCheckFailed;
}

}  // namespace

int edit_command(const std::vector<std::string>& arguments) {
  const Clock::time_point began = Clock::now();
  EditArguments asked;
  asked.arguments = arguments;
  EditWork work;
  CommandFrame frame("edit", "FILE.yaml|FILE.jsonl [OPTIONS]",
                     "Changes facts of a model as the edit file says, checks the edited model against the "
                     "base, and writes a patch.\nStarted by mpirun, all processes share the searches, with "
                     "--device cuda on a GPU each.");
  frame.syntax.examples = {"edit examples/eiffel.yaml --dry-run", "edit examples/eiffel.yaml --out out"};
  add_edit_options(frame, asked);
  frame.options.check([&] { work = prepare(frame, asked); });
  frame.late_outputs = true;
  frame.other_paths = [&] {
    if (asked.dry_run) return OtherFiles();
    return OtherFiles{{work.patch, asked.run.run_file, reproduce_file_of(work.patch)}, {}, {}};
  };
  return frame.run_in_group(arguments, [&](Console& console, ProcessGroup* group, std::string& what_stays) {
    frame.common.device = own_device(frame.common.device, group);
    const CommonOptions& common = frame.common;
    require_output_apart("outputs: patch:", work.patch, {{}, {}, {work.file.statistics}});
    if (!common.statistics.empty()) console.open_log();  // the model has nothing to add
    Model model = frame.load(console, [&](const ModelConfig& config) {
      const ComputeType type = parse_compute_type(common.dtype);
      return edit_work(config, type, common.token_budget,
                       least_edit_memory(work.file.model, *work.editor, work.file, common.token_budget,
                                         asked.run.on, type));
    });
    if (group != nullptr) frame.common.token_budget = group->least(common.token_budget);
    keep_out_of_statistics(frame, work, statistics_folder(model, work.file), console);
    console.open_log();
    EditRunOptions& how = asked.run;
    how.seed = common.seed;
    how.token_budget = common.token_budget;
    how.memory_bytes = common.memory_bytes;
    how.group = group;
    if (!is_first(group)) {  // the first one keeps the values of all
      how.run_file.clear();
      how.resume = false;
    }
    if (asked.dry_run) {
      if (!is_first(group)) return kExitDone;
      how.group = nullptr;
      const PlanOutcome plan = plan_edit(model, work.file, how, console.progress());
      for (const std::string& warning : plan.plan.warnings) console.warn(warning);
      return frame.show(console, with_commands(full_report(plan, {console.columns()})), to_json(plan, model));
    }
    const double load = std::chrono::duration<double>(Clock::now() - began).count();
    what_stays = fmt::format("if {} is there, --resume goes on with the values in it",
                             run_file_of(work.patch).string());
    EditOutcome outcome = run_edit(model, work.file, how, console.progress());
    if (!is_first(group)) return kExitDone;
    outcome.seconds.load = load;
    outcome.seconds.total += load;
    return finish(frame, asked, model, outcome, work.patch, console);
  });
}

}  // namespace emend
