// emend patch apply --model M --patch P... (--out NEW or --in-place)
#include <fmt/format.h>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/error.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "reports/fact_report.h"
#include "reports/patch_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

void require_one_place(const ApplyOptions& how) {
  require_given(!how.out.empty() || how.in_place, "patch apply", "--out NEW or --in-place");
  if (!how.out.empty() && how.in_place)
    throw Error(ErrorKind::kUsage, "patch apply: --out does not go with --in-place");
  if (!how.undo.empty() && !how.in_place)
    throw Error(ErrorKind::kUsage, "patch apply: --undo is for --in-place");
}

void add_apply_options(CommandFrame& frame, std::vector<fs::path>& patches, ApplyOptions& how) {
  frame.options
      .text("statistics", how.statistics, "DIR",
            "second moments of the keys, which weight the rounding to a quantised type that is kept "
            "(default: none)",
            Use::kFolder)
      .text("imatrix", how.imatrix, "FILE",
            "an importance matrix of llama.cpp (GGUF), which weights it for tensors without --statistics",
            Use::kReads)
      .needs_model()
      .patches(patches)
      .text("out", how.out, "NEW",
            "the new checkpoint: a folder for safetensors and split GGUF models, a file for GGUF")
      .flag("in-place", how.in_place,
            "replace the base's own files; what `patch revert` needs is written first")
      .text(
          "undo", how.undo, "FILE",
          "with --in-place: the undo file (default: emend.undo in the folder, or FILE.undo, of a split GGUF "
          "model its first file)")
      .text(
          "type", how.type, "TYPE",
          "how edited tensors are stored: own (as they were), F32, F16, BF16, and in GGUF Q4_0 to Q8_0, Q2_K "
          "to Q6_K, IQ4_NL, IQ4_XS (default: own in safetensors, F16 in GGUF)")
      .flag("force", how.force,
            "also write patches that are marked as failed or overlap, and types that do not hold the edit")
      .junit("write the checks as JUnit XML")
      .check([&] { require_one_place(how); });
}

// The checkpoint and the undo file, which no other file may be written over.
OtherFiles written_files(const ApplyOptions& how, const fs::path& model) {
  return {{how.out, how.in_place && how.undo.empty() ? next_undo_file(model) : how.undo}, {}, {}};
}

std::string outputs_text(const ApplyOutcome& outcome, const ApplyOptions& how, const std::string& model) {
  std::string text = fmt::format("Written: {}\n", outcome.written.string());
  if (!outcome.undo.empty())
    text +=
        fmt::format("Undo:    {} (emend patch revert --model {}{})\n", outcome.undo.string(),
                    shell_word(model), how.undo.empty() ? "" : " --undo " + shell_word(how.undo.string()));
  return text + "\n";
}

}  // namespace

int patch_apply_command(const std::vector<std::string>& arguments) {
  ApplyOptions how;
  std::vector<fs::path> files;
  CommandFrame frame(
      "patch apply", "--model M --patch P... (--out NEW | --in-place)",
      "Writes patches into a checkpoint: a new one, or the base itself. Only the tensors that they change "
      "get other bytes. What arrives after rounding is measured, and the patches' checks are repeated on the "
      "written file.",
      {"bos", "seed"});
  frame.syntax.examples = {"patch apply --model model.gguf --patch out/eiffel.safetensors --out edited.gguf"};
  add_apply_options(frame, files, how);
  frame.other_paths = [&] { return written_files(how, frame.common.model); };
  return frame.run(arguments, [&](Console& console) {
    how.token_budget = frame.common.token_budget_given ? frame.common.token_budget : 0;
    std::vector<fs::path> read = files;
    read.push_back(how.imatrix);
    require_not_among(how.out, read);
    require_output_apart("--out", how.out, {{}, {}, {how.statistics}});
    const ApplyOutcome outcome = apply_patches(frame.common.model, model_options(frame.common),
                                               load_patches(files), how, console.progress());
    for (const std::string& warning : outcome.warnings) console.warn(warning);
    frame.show(console,
               outputs_text(outcome, how, frame.common.model) + full_report(outcome, {console.columns()}),
               to_json(outcome), {.junit = [&] { return junit_xml(apply_suites(outcome)); }});
    return outcome.passed.value_or(true) ? kExitDone : kExitCheckFailed;
  });
}

}  // namespace emend
