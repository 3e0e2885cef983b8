// emend patch drop P ID --out Q, and emend patch merge P... --out Q: a patch made of patches, checked on the
// model.
#include <fmt/format.h>

#include <algorithm>

#include "analysis/statistics_place.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/interrupt.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"
#include "emend/report.h"
#include "emend/statistics.h"
#include "io/output_check.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

struct ComposeArguments {
  std::vector<std::string> words;  // patches, or the patch and the id
  fs::path out;
};

// `patches`: how many of the words are patches, at most.
void add_compose_options(CommandFrame& frame, int words, std::size_t patches, ComposeArguments& asked) {
  frame.syntax.uses_statistics = true;
  frame.late_outputs = true;
  frame.options.needs_model()
      .arguments("word", asked.words, words, "")
      .text("out", asked.out, "Q", "the patch to write", Use::kWrites | Use::kNeeded)
      .check([&asked] { require_ending(asked.out, OutputForm::kSafetensors); });
  frame.other_paths = [&asked, patches] {
    const auto end = asked.words.begin() + static_cast<std::ptrdiff_t>(std::min(patches, asked.words.size()));
    return OtherFiles{{asked.words.begin(), end}, {}, {}};
  };
}

// Once the model tells where its statistics lie by default.
Model load_beside_statistics(CommandFrame& frame, const ComposeArguments& asked, const Patch& patch,
                             Console& console) {
  const bool is_settled = !frame.common.statistics.empty();  // looked at already
  if (is_settled) console.open_log();
  Model model = frame.load(console);
  if (is_settled) return model;
  WantedStatistics wanted;
  for (const WeightSolve& solve : patch.edit.solves)
    wanted[solve.weight.block] = solve.statistics_fingerprint;
  const OtherFiles statistics{
      {},
      {},
      {default_statistics_folder(model, patch.prefix), find_statistics(model, patch.prefix, wanted).folder}};
  require_output_apart("--out", asked.out, statistics);
  console.keep_json_apart(statistics);
  console.open_log();
  return model;
}

// Writes and tells; returns the exit code.
int finish(CommandFrame& frame, const ComposeOutcome& outcome, const Model& model, const fs::path& out,
           Console& console) {
  throw_if_interrupted();
  save_patch(outcome.patch, out);
  for (const std::string& warning : outcome.warnings) console.warn(warning);
  for (const std::string& warning : outcome.patch.edit.warnings) console.warn(warning);
  frame.show(console,
             fmt::format("{}\nPatch: {}{}\n", full_report(outcome, {console.columns()}), out.string(),
                         outcome.patch.passed ? "" : " (marked as failed)"),
             to_json(outcome, model, {out}));
  return outcome.passed ? kExitDone : kExitCheckFailed;
}

}  // namespace

int patch_drop_command(const std::vector<std::string>& arguments) {
  ComposeArguments asked;
  CommandFrame frame("patch drop", "P ID --model M --out Q",
                     "Takes one edit out of a patch. The others keep their residuals and are solved again "
                     "without it, from what the patch holds; no search. The result is checked on the model.",
                     {"bos", "seed"});
  frame.syntax.examples = {"patch drop both.safetensors eiffel --model model.gguf --out one.safetensors"};
  add_compose_options(frame, 2, 1, asked);
  frame.options.check(
      [&] { require_given(asked.words.size() == 2, "patch drop", "the patch or the id of the edit"); });
  return frame.run(arguments, [&](Console& console) {
    const std::string& id = asked.words[1];
    const NamedPatch patch = load_patches({asked.words[0]}).front();
    layers_to_solve(patch.patch, id);  // throws for what cannot be taken out, before the model is loaded
    Model model = load_beside_statistics(frame, asked, patch.patch, console);
    const ComposeOptions how{frame.common.statistics, frame.common.token_budget};
    return finish(frame, drop_edit(model, patch, id, how, console.progress()), model, asked.out, console);
  });
}

int patch_merge_command(const std::vector<std::string>& arguments) {
  ComposeArguments asked;
  CommandFrame frame(
      "patch merge", "P... --model M --out Q",
      "Makes one patch of several of one base. Layers that several of them change are solved jointly, from "
      "what the patches hold; no search. Edits of one key are refused by name. The result is checked on the "
      "model.",
      {"bos", "seed"});
  frame.syntax.examples = {
      "patch merge a.safetensors b.safetensors --model model.gguf --out both.safetensors"};
  add_compose_options(frame, -1, std::string::npos, asked);
  frame.options.check([&] { require_given(asked.words.size() >= 2, "patch merge", "a second patch"); });
  return frame.run(arguments, [&](Console& console) {
    const std::vector<NamedPatch> patches = load_patches({asked.words.begin(), asked.words.end()});
    Model model = load_beside_statistics(frame, asked, patches.front().patch, console);
    const ComposeOptions how{frame.common.statistics, frame.common.token_budget};
    return finish(frame, merge_edits(model, patches, how, console.progress()), model, asked.out, console);
  });
}

}  // namespace emend
