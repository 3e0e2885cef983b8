// emend patch list FILE; emend patch revert --model M [--undo FILE]; emend patch diff A B; and the table of
// the other `patch` commands
#include <iostream>

#include "cli/command.h"
#include "cli/hints.h"
#include "cli/load_model.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"
#include "emend/report.h"
#include "emend/write_back.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

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
  std::cout << with_commands(full_report(patch, {console.columns()}));
  console.write_json(to_json(patch, file));
  return kExitDone;
}

int revert_patch(const std::vector<std::string>& arguments) {
  CommonOptions common;
  std::string undo;
  Syntax syntax;
  syntax.command = "patch revert";
  syntax.synopsis = "--model M [--undo FILE]";
  syntax.unused = {"bos", "seed", "token-budget", "device", "dtype", "threads"};
  syntax.help =
      "Takes back the last `patch apply --in-place`: the files are as they were, byte for byte, checked by "
      "their SHA-256.";
  syntax.own.add_options()("undo", po::value(&undo)->value_name("FILE"),
                           "the undo file (default: the last one of the model)");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!common.model.empty(), "patch revert", "--model PATH");
  Console console(common);
  const fs::path undo_path = undo.empty() ? last_undo_file(common.model) : fs::path(undo);
  console.keep_json_apart({{undo_path}, common.model, {}});
  const RevertOutcome outcome{common.model, undo_path, revert(common.model, undo_path)};
  std::cout << full_report(outcome);
  console.write_json(to_json(outcome));
  return kExitDone;
}

int diff_patch(const std::vector<std::string>& arguments) {
  CommonOptions common;
  std::vector<std::string> files;
  Syntax syntax;
  syntax.command = "patch diff";
  syntax.synopsis = "A B";
  syntax.help = "Says how two patches differ: settings, edits, and the changes of each layer.";
  syntax.unused = {"bos", "seed", "token-budget", "device", "dtype", "threads", "model"};
  syntax.positional = "file";
  syntax.positionals = 2;
  syntax.own.add_options()("file", po::value(&files));
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(files.size() == 2, "patch diff", files.empty() ? "the first patch" : "the second patch");
  Console console(common);
  console.keep_json_apart({{files.begin(), files.end()}, {}, {}});
  const PatchDifference difference = diff_patches(load_patch(files[0]), load_patch(files[1]));
  std::cout << full_report(difference, {console.columns()});
  console.write_json(to_json(difference));
  return kExitDone;
}

const std::vector<Command> kPatchCommands = {
    {"list", "say what a patch changes", list_patch},
    {"verify", "measure a patch again on a freshly loaded model", patch_verify_command},
    {"apply", "write an edited checkpoint", patch_apply_command},
    {"revert", "take back an edit in place", revert_patch},
    {"diff", "compare two patches", diff_patch},
    {"drop", "take one edit out of a patch", patch_drop_command},
    {"merge", "join patches into one", patch_merge_command},
};

}  // namespace

int patch_command(const std::vector<std::string>& arguments) {
  return run_command("patch ", kPatchCommands, arguments);
}

}  // namespace emend
