// emend patch list FILE, and the table of the other `patch` commands
#include <iostream>
#include <set>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/patch.h"
#include "pipeline/failure.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/edit_report.h"
#include "reports/fact_report.h"

namespace emend {
namespace {

namespace po = boost::program_options;

std::string facts_list(const Patch& patch, std::size_t columns) {
  Table table({{"id"},
               {"prompt", Align::kLeft, 12},
               {"was -> target", Align::kLeft, 12},
               {"layer", Align::kRight},
               {"steps", Align::kRight},
               {"update norm", Align::kRight},
               {"relative", Align::kRight},
               {"status"}});
  for (const FactRecord& fact : patch.edit.facts)
    table.add_row({fact.request.id, fact.request.prompt, fact.request.was + " -> " + fact.request.target,
                   layers_text(fact), std::to_string(fact.steps), number_text(fact.update_norm()),
                   number_text(fact.relative_norm()), std::string(to_string(fact.status))});
  return table.text(columns);
}

// The fingerprint, or one for each layer of a patch that was merged from several.
std::string statistics_text(const Patch& patch) {
  std::set<std::string> different;
  for (const WeightSolve& solve : patch.edit.solves) different.insert(solve.statistics_fingerprint);
  if (different.size() < 2)
    return patch.edit.statistics_fingerprint().empty() ? "none" : patch.edit.statistics_fingerprint();
  std::vector<std::string> layers;
  for (const WeightSolve& solve : patch.edit.solves)
    layers.push_back("layer " + std::to_string(solve.weight.block) + " " + solve.statistics_fingerprint);
  return join(layers);
}

void print_patch(const Patch& patch, std::size_t columns) {
  std::cout << facts_list(patch, columns) << "Layers count from 0.\n\n"
            << checks_table(patch.checks, columns) << "\n";
  std::vector<std::string> options;
  for (const auto& [name, value] : patch.edit.options) options.push_back(name + ": " + value);
  std::cout << "Method:     " << one_line(patch.edit.method) << ", objective "
            << to_string(patch.edit.objective) << "\n"
            << "Options:    " << one_line(join(options)) << "\n"
            << "Base:       " << one_line(patch.base_name) << ", fingerprint " << patch.edit.base_fingerprint
            << "\n"
            << "Statistics: " << one_line(statistics_text(patch)) << "\n"
            << "Text:       bos " << one_line(patch.bos) << ", form "
            << (patch.form == PromptForm::kChat ? "chat" : "raw") << "\n"
            << "Made by:    emend " << one_line(patch.emend_version) << "\n";
  for (const std::string& warning : patch.edit.warnings)
    std::cout << "Warning:    " << one_line(warning) << "\n";
  std::cout << "Passed:     " << (patch.passed ? "yes" : "NO") << "\n";
}

ResultJson patch_json(const Patch& patch, const std::string& file) {
  ResultJson edits = ResultJson::array();
  for (const FactRecord& fact : patch.edit.facts)
    edits.push_back({{"id", fact.request.id},
                     {"prompt", fact.request.prompt},
                     {"subject", fact.request.subject},
                     {"was", fact.request.was},
                     {"target", fact.request.target},
                     {"layer", fact.layer()},
                     {"steps", fact.steps},
                     {"update_norm", fact.update_norm()},
                     {"relative_norm", fact.relative_norm()},
                     {"status", to_string(fact.status)}});
  return {{"emend", patch.emend_version},
          {"path", file},
          {"base", {{"name", patch.base_name}, {"fingerprint", patch.edit.base_fingerprint}}},
          {"method", patch.edit.method},
          {"objective", to_string(patch.edit.objective)},
          {"options", patch.edit.options},
          {"edits", edits},
          {"checks", checks_json(patch.checks)},
          {"warnings", patch.edit.warnings},
          {"passed", patch.passed}};
}

int list_patch(const std::vector<std::string>& arguments) {
  Syntax syntax;
  CommonOptions common;
  std::string file;
  syntax.command = "patch list";
  syntax.synopsis = "FILE [--model M]";
  syntax.help =
      "Says what a patch changes, what it was checked against and how that went. With --model, also whether "
      "it is "
      "for that model.";
  syntax.positional = "file";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("file", po::value(&file));
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!file.empty(), "patch list", "the patch");
  Console console(common);
  console.keep_json_apart({{file}, common.model, {}});
  const Patch patch = load_patch(file);
  if (!common.model.empty()) require_base(patch, load_model(common.model, common, console), file);
  print_patch(patch, console.columns());
  console.write_json(patch_json(patch, file));
  return kExitDone;
}

const std::vector<Command> kPatchCommands = {
    {"list", "say what a patch changes", list_patch},
    {"verify", "measure a patch again on a freshly loaded model", patch_verify_command},
    {"apply", "write an edited checkpoint", patch_apply_command},
    {"revert", "take back an edit in place", patch_revert_command},
    {"diff", "compare two patches", patch_diff_command},
    {"drop", "take one edit out of a patch", patch_drop_command},
    {"merge", "join patches into one", patch_merge_command},
};

}  // namespace

int patch_command(const std::vector<std::string>& arguments) {
  return run_command("patch ", kPatchCommands, arguments);
}

}  // namespace emend
