#include "cli/edit_options.h"

#include <algorithm>
#include <iostream>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "io/output_check.h"
#include "pipeline/drift_budget.h"
#include "reports/edit_report.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

// Options that ask about methods instead of editing.
struct Questions {
  bool methods = false;
  std::string method;  // --help-method
};

// Of options that are checked before they become what the run takes.
struct EditNumbers {
  std::int64_t layer = -1, batch = 0;  // not given
};

void explain_method(const std::string& name) {
  require_method("--help-method", name);
  for (const EditorHelp& editor : list_editors())
    if (editor.name == name) std::cout << method_text(editor);
}

Protect protect_named(const std::string& text) {
  if (const auto protect = parse_protect(text)) return *protect;
  throw Error(ErrorKind::kUsage, "--protect must be none, neighbours or auto, found " + quote(text) +
                                     did_you_mean(text, {"none", "neighbours", "auto"}));
}

void answer(const Questions& questions) {
  if (questions.methods)
    std::cout << methods_text(list_editors());
  else
    explain_method(questions.method);
}

void add_own_options(EditOptions& options, EditNumbers& numbers, Questions& questions,
                     po::options_description& own) {
  auto add = own.add_options();
  add("file", po::value(&options.file));
  add("dry-run", po::bool_switch(&options.dry_run),
      "only say which layers would change, at what cost, and what conflicts");
  add("out", po::value(&options.out)->value_name("DIR"),
      "folder of outputs whose path in the file is relative");
  add("keep-going", po::bool_switch(&options.keep_going),
      "leave out edits whose search fails instead of stopping");
  add("resume", po::bool_switch(&options.resume),
      "go on with the values that a stopped run kept beside its patch (PATCH.run)");
  add("layer", po::value(&numbers.layer)->value_name("N")->notifier([](std::int64_t value) {
    require_at_least("layer", value, 0);
  }),
      "edit this layer, whatever the file says (layers count from 0)");
  add("protect", po::value<std::string>()->value_name("WHAT")->notifier([&options](const std::string& text) {
    options.protect = protect_named(text);
  }),
      "whose answers to the edited prompts the edit leaves alone, whatever the file says: none, neighbours "
      "(the `bleed` subjects and neighbours of the file), auto (these and others that the model names)");
  add("editor", po::value(&options.method)->value_name("METHOD"),
      "edit by this method, whatever the file says");
  add("on", po::value(&options.on)->value_name("PATCH"),
      "a patch whose facts are kept: the new patch holds them too, solved together with those of the file "
      "(methods that carry earlier facts: bulk and its kin)");
  add("budget-drift",
      po::value<std::string>()->value_name("X")->notifier(
          [&options](const std::string& text) { options.budget = parse_drift_budget(text); }),
      "stop adding facts when the perplexity of held text, edited over base, passes X, or with kl:X the mean "
      "KL in nats; exit code 4 if some were left out (methods that carry earlier facts)");
  add("budget-batch", po::value(&numbers.batch)->value_name("N")->notifier([](std::int64_t value) {
    require_at_least("budget-batch", value, 1);
  }),
      "facts that are added between two measurements of --budget-drift (default: a tenth of them, at most "
      "100)");
  add("junit", po::value(&options.junit)->value_name("FILE"), "write edits and checks as JUnit XML");
  add("report", po::value(&options.report)->value_name("FILE"),
      "write an HTML page with facts, checks and charts");
  add("reproduce-texts", po::bool_switch(&options.reproduce_texts),
      "put the text of the edit file into PATCH.reproduce.json, which emend reproduce takes");
  add("methods", po::bool_switch(&questions.methods), "list the methods");
  add("help-method", po::value(&questions.method)->value_name("METHOD"), "the options of a method");
}

// `batch`: 0 if it is not given.
void settle_budget(std::int64_t batch, EditOptions& options) {
  if (batch > 0 && !options.budget)
    throw Error(ErrorKind::kUsage, "--budget-batch says how often --budget-drift measures: give that, too");
  constexpr std::int64_t kMostFacts = 1'000'000;
  if (options.budget) options.budget->batch = static_cast<int>(std::min(batch, kMostFacts));
}

void refuse_with_dry_run(const EditOptions& options) {
  const auto refuse = [](bool given, const char* what) {
    if (given) throw Error(ErrorKind::kUsage, std::string(what) + ": it does not go with --dry-run");
  };
  refuse(options.budget.has_value(), "--budget-drift measures edits that are made");
  refuse(!options.report.empty(), "--report shows edits that were made");
  refuse(!options.junit.empty(), "--junit holds edits that were made");
  refuse(options.resume, "--resume is for edits that are made");
}

}  // namespace

Parsed parse_edit(const std::vector<std::string>& arguments, EditOptions& options) {
  Syntax syntax;
  syntax.command = "edit";
  syntax.synopsis = "FILE.yaml|FILE.jsonl [OPTIONS]";
  syntax.help =
      "Changes facts of a model as the edit file says, checks the edited model against the base, and writes "
      "a patch.";
  syntax.uses_statistics = true;
  syntax.uses_memory = true;
  syntax.positional = "file";
  syntax.positionals = 1;
  Questions questions;
  EditNumbers numbers;
  add_own_options(options, numbers, questions, syntax.own);
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  if (questions.methods || !questions.method.empty()) {
    answer(questions);
    return Parsed::kAnswered;
  }
  options.arguments = arguments;
  require_given(!options.file.empty(), "edit", "the edit file");
  if (!options.method.empty()) require_method("--editor", options.method);
  settle_budget(numbers.batch, options);
  if (options.dry_run) refuse_with_dry_run(options);
  constexpr std::int64_t kMostLayers =
      1'000'000;  // any larger number is told as this one: no model has so many
  if (numbers.layer >= 0) options.layer = static_cast<int>(std::min(numbers.layer, kMostLayers));
  return Parsed::kRun;
}

fs::path run_file_of(const fs::path& patch) {
  return fs::path(patch).concat(".run");
}

EditFile prepare_edit_file(const EditOptions& options) {
  EditFile file = read_edit_file(options.file);
  if (!options.common.model.empty()) file.model = options.common.model;
  if (file.model.empty())
    throw Error(ErrorKind::kUsage,
                "edit: no model: " + options.file + " names none, so --model PATH is needed");
  if (options.common.bos) file.bos = *options.common.bos;
  if (options.protect) file.protect = options.protect;
  if (!options.common.statistics.empty()) file.statistics = options.common.statistics;
  if (!options.method.empty()) file.method = options.method;
  if (options.layer) file.layer = {{*options.layer}, "--layer " + std::to_string(*options.layer)};
  return file;
}

fs::path prepare_patch_path(const EditFile& file, const EditOptions& options) {
  const fs::path name =
      file.patch.empty() ? fs::path(options.file).stem().concat(".safetensors") : file.patch;
  const fs::path folder = options.out.empty() ? fs::path(options.file).parent_path() : fs::path(options.out);
  const fs::path path = (folder / name).lexically_normal();
  if (!options.out.empty()) require_writable_folder(options.out);
  require_writable_file(path);
  require_not_among(path, {options.file, file.model, options.on});
  return path;
}

}  // namespace emend
