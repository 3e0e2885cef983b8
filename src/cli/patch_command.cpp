// emend patch list, revert, diff and verify; and the table of the `patch` commands.
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/hints.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "emend/write_back.h"
#include "reports/patch_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

int list_patch(const std::vector<std::string>& arguments) {
  fs::path file;
  CommandFrame frame(
      "patch list", "FILE [--model M]",
      "Says what a patch changes, what it was checked against and how that went. With --model, also whether "
      "it is for that model.",
      {"bos", "seed", "token-budget"});
  frame.syntax.examples = {"patch list out/eiffel.safetensors"};
  frame.options.argument("file", file, "the patch", Use::kReads);
  return frame.run(arguments, [&](Console& console) {
    const Patch patch = load_patch(file);
    if (!frame.common.model.empty()) require_base(patch, frame.load(console), file.string());
    return frame.show(console, with_commands(full_report(patch, {console.columns()})), to_json(patch, file));
  });
}

int revert_patch(const std::vector<std::string>& arguments) {
  fs::path undo;
  CommandFrame frame(
      "patch revert", "--model M [--undo FILE]",
      "Takes back the last `patch apply --in-place`: the files are as they were, byte for byte, checked by "
      "their SHA-256.",
      {"bos", "seed", "token-budget", "device", "dtype", "threads"});
  frame.syntax.examples = {"patch revert --model model.gguf"};
  frame.options.text("undo", undo, "FILE", "the undo file (default: the last one of the model)", Use::kReads)
      .needs_model()
      .check([&] {
        if (undo.empty()) undo = last_undo_file(frame.common.model);
      });
  return frame.run(arguments, [&](Console& console) {
    const std::string& model = frame.common.model;
    const RevertOutcome outcome{model, undo, revert(model, undo)};
    return frame.show(console, full_report(outcome), to_json(outcome));
  });
}

int diff_patch(const std::vector<std::string>& arguments) {
  std::vector<fs::path> files;
  bool exit_code = false;
  CommandFrame frame("patch diff", "A B [--exit-code]",
                     "Says how two patches differ: settings, edits, and the changes of each layer.",
                     {"bos", "seed", "token-budget", "device", "dtype", "threads", "model"});
  frame.syntax.examples = {"patch diff first.safetensors second.safetensors"};
  frame.options.arguments("file", files, 2, "the first patch", Use::kReads)
      .flag("exit-code", exit_code, "end with exit code 4 if the patches differ")
      .check([&] { require_given(files.size() == 2, "patch diff", "the second patch"); });
  return frame.run(arguments, [&](Console& console) {
    const PatchDifference difference = diff_patches(load_patch(files[0]), load_patch(files[1]));
    frame.show(console, full_report(difference, {console.columns()}), to_json(difference));
    return exit_code && !difference.same ? kExitCheckFailed : kExitDone;
  });
}

int verify_patch(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> files;
  CommandFrame frame(
      "patch verify", "--model M --patch P...",
      "Loads the model anew, lays the patches on it in the order given, measures every fact and check again "
      "and compares with what the patches say.",
      {"bos", "seed"});
  frame.syntax.examples = {
      "patch verify --model model.gguf --patch out/eiffel.safetensors --junit verify.xml"};
  frame.options.needs_model().patches(files).junit("write edits and checks as JUnit XML");
  return frame.run(arguments, [&](Console& console) {
    const std::vector<NamedPatch> patches = load_patches(files);
    Model model = frame.load(console);
    const VerifyOutcome outcome =
        verify_patches(model, patches, {frame.common.token_budget}, console.progress());
    for (const std::string& warning : outcome.warnings) console.warn(warning);
    frame.show(console, full_report(outcome, {console.columns()}), to_json(outcome, model),
               {.junit = [&] { return junit_xml(verify_suites(outcome)); }});
    return outcome.passed ? kExitDone : kExitCheckFailed;
  });
}

const std::vector<Command> kPatchCommands = {
    {"list", "say what a patch changes", list_patch},
    {"verify", "measure a patch again on a freshly loaded model", verify_patch},
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
