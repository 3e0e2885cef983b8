#include "cli/edit_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>
#include <string_view>
#include <system_error>

#include "base/nearest.h"
#include "base/strings.h"
#include "cli/option_values.h"
#include "cli/output_check.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "reports/edit_report.h"

namespace emend {

namespace fs = std::filesystem;
namespace po = boost::program_options;

namespace {

// Options that ask about methods instead of editing.
struct Questions {
  bool methods = false;
  std::string method;  // --help-method
};

void explain_method(const std::string& name) {
  require_method("--help-method", name);
  for (const EditorHelp& editor : list_editors())
    if (editor.name == name) std::cout << method_text(editor);
}

// "1.05", a ratio of perplexities, or "kl:0.02", nats.
DriftBudget parse_budget(const std::string& text) {
  constexpr std::string_view kKl = "kl:";
  DriftBudget budget;
  const bool kl = text.starts_with(kKl);
  if (kl) budget.measure = DriftBudget::Measure::kKl;
  const std::string number = kl ? text.substr(kKl.size()) : text;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, budget.limit);
  if (error != std::errc() || stop != end || !std::isfinite(budget.limit) || budget.limit < (kl ? 0 : 1))
    throw Error(
        ErrorKind::kUsage,
        "--budget-drift must be a perplexity ratio of at least 1, or kl: and a number of nats from 0, "
        "found " +
            quote(text));
  return budget;
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
  std::int64_t layer = -1, batch = 0;
  syntax.own.add_options()("file", po::value(&options.file))(
      "dry-run", po::bool_switch(&options.dry_run),
      "only say which layers would change, at what cost, and what conflicts")(
      "out", po::value(&options.out)->value_name("DIR"),
      "folder of outputs whose path in the file is relative")(
      "keep-going", po::bool_switch(&options.keep_going),
      "leave out edits whose search fails instead of stopping")(
      "resume", po::bool_switch(&options.resume),
      "go on with the values that a stopped run kept beside its patch (PATCH.run)")(
      "layer", po::value(&layer)->value_name("N")->notifier([](std::int64_t value) {
        require_at_least("layer", value, 0);
      }),
      "edit this layer, whatever the file says (layers count from 0)")(
      "protect", po::value<std::string>()->value_name("WHAT")->notifier([&options](const std::string& text) {
        options.protect = protect_named(text);
      }),
      "whose answers to the edited prompts the edit leaves alone, whatever the file says: none, neighbours "
      "(the `bleed` subjects and neighbours of the file), auto (these and others that the model names)")(
      "editor", po::value(&options.method)->value_name("METHOD"),
      "edit by this method, whatever the file says")(
      "on", po::value(&options.on)->value_name("PATCH"),
      "a patch whose facts are kept: the new patch holds them too, solved together with those of the file "
      "(methods that carry earlier facts: bulk and its kin)")(
      "budget-drift",
      po::value<std::string>()->value_name("X")->notifier(
          [&options](const std::string& text) { options.budget = parse_budget(text); }),
      "stop adding facts when the perplexity of held text, edited over base, passes X, or with kl:X the mean "
      "KL in nats; exit code 4 if some were left out (methods that carry earlier facts)")(
      "budget-batch", po::value(&batch)->value_name("N")->notifier([](std::int64_t value) {
        require_at_least("budget-batch", value, 1);
      }),
      "facts that are added between two measurements of --budget-drift (default: a tenth of them, at most "
      "100)")("junit", po::value(&options.junit)->value_name("FILE"), "write edits and checks as JUnit XML")(
      "report", po::value(&options.report)->value_name("FILE"),
      "write an HTML page with facts, checks and charts")("methods", po::bool_switch(&questions.methods),
                                                          "list the methods")(
      "help-method", po::value(&questions.method)->value_name("METHOD"), "the options of a method");
  if (parse_options(syntax, arguments, options.common) == Parsed::kAnswered) return Parsed::kAnswered;
  if (questions.methods || !questions.method.empty()) {
    answer(questions);
    return Parsed::kAnswered;
  }
  require_given(!options.file.empty(), "edit", "the edit file");
  if (!options.method.empty()) require_method("--editor", options.method);
  if (batch > 0 && !options.budget)
    throw Error(ErrorKind::kUsage, "--budget-batch says how often --budget-drift measures: give that, too");
  constexpr std::int64_t kMostFacts = 1'000'000;
  if (options.budget) options.budget->batch = static_cast<int>(std::min(batch, kMostFacts));
  if (options.dry_run && options.budget)
    throw Error(ErrorKind::kUsage,
                "--budget-drift measures edits that are made: it does not go with --dry-run");
  if (options.dry_run && !options.report.empty())
    throw Error(ErrorKind::kUsage, "--report shows edits that were made: it does not go with --dry-run");
  if (options.dry_run && !options.junit.empty())
    throw Error(ErrorKind::kUsage, "--junit holds edits that were made: it does not go with --dry-run");
  if (options.dry_run && options.resume)
    throw Error(ErrorKind::kUsage, "--resume is for edits that are made: it does not go with --dry-run");
  constexpr std::int64_t kMostLayers =
      1'000'000;  // any larger number is told as this one: no model has so many
  if (layer >= 0) options.layer = static_cast<int>(std::min(layer, kMostLayers));
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
  if (!options.common.statistics.empty()) file.statistics = options.common.statistics;
  if (!options.method.empty()) file.method = options.method;
  if (options.protect) file.protect = options.protect;
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
