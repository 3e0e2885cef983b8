// emend memories explain, timeline, set and bake: cells and one prompt.
#include <fmt/format.h>

#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/memory_bake.h"
#include "emend/memory_explain.h"
#include "emend/memory_set.h"
#include "emend/memory_timeline.h"
#include "io/output_check.h"
#include "memories/index_files.h"
#include "reports/explain_report.h"
#include "reports/memory_set_report.h"
#include "reports/patch_report.h"
#include "reports/timeline_report.h"

namespace emend {

int memories_explain_command(const std::vector<std::string>& arguments) {
  ExplainOptions how;
  CommandFrame frame("memories explain", "--model M --prompt P [--token W] [--against W2] [OPTIONS]",
                     "Which feed-forward cells make the model say a token, layer by layer.",
                     {"seed", "token-budget"});
  frame.syntax.examples = {
      "memories explain --model model.gguf --prompt \"The capital of France is\" --token Paris"};
  frame.options.needs_model()
      .text("prompt", how.prompt, "P", "the text in front", Use::kNeeded)
      .text("token", how.token, "W",
            "the word to explain, by its first token (default: the likeliest next token)")
      .text("against", how.against, "W2", "explain the difference to this word's logit")
      .number("top", how.top, "K", "tokens listed for each layer")
      .number("cells", how.cells, "N", "cells listed")
      .flag("effects", how.effects, "also switch each cell listed off, and show what the logit loses")
      .from(0, "sources", how.sources, "K",
            "for each cell listed, and for the logit: the K strongest sources, heads by the token that they "
            "read (0: none)")
      .text("index", how.index, "DIR",
            "an index of emend memories scan: also show what triggers the cells, and their labels",
            Use::kFolder)
      .report();
  return frame.run(arguments, [&](Console& console) {
    how.bos = frame.bos();
    if (!how.index.empty()) require_index(how.index);
    const Model model = frame.load(console);
    const ExplainOutcome outcome = run_explain(model, how, console.progress());
    return frame.show(console, explain_text(outcome, how, console.columns()),
                      explain_json(outcome, how, model),
                      {.report = [&] { return explain_page(outcome, how, model); }});
  });
}

int memories_timeline_command(const std::vector<std::string>& arguments) {
  TimelineOptions how;
  CommandFrame frame(
      "memories timeline", "--model M --prompt P --subject S [--token W] [OPTIONS]",
      "Where along the layers a subject is collected, where the last token fetches what it says, and where "
      "the\nanswer takes shape: tracing, severed paths, attention and the stream of one prompt side by "
      "side.");
  frame.syntax.examples = {
      "memories timeline --model model.gguf --prompt \"The Eiffel Tower is located in the city of\" "
      "--subject \"Eiffel Tower\""};
  frame.options.needs_model()
      .text("prompt", how.prompt, "P", "the text in front", Use::kNeeded)
      .text("subject", how.subject, "S", "the subject, as it stands in the prompt", Use::kNeeded)
      .count("subject-occurrence", how.occurrence, "N", "which one, if it stands there more than once")
      .text("token", how.token, "W", "the answer (default: the likeliest next token)")
      .number("samples", how.samples, "N", "draws of the noise on the subject")
      .from(0, "window", how.window, "N",
            "layers whose networks, or attention, are restored together (0: in proportion to the model)")
      .number("share", how.share, "S", "of the largest effect, which a phase's first and last layer reach")
      .report()
      .check([&how] { check_timeline(how); });
  return frame.run(arguments, [&](Console& console) {
    how.bos = frame.bos();
    how.seed = frame.common.seed;
    const Model model = frame.load(console);
    how.token_budget = frame.common.token_budget;
    const TimelineOutcome outcome = run_timeline(model, how, console.progress());
    return frame.show(console, timeline_text(outcome, console.columns()), timeline_json(outcome, how, model),
                      {.report = [&] { return timeline_page(outcome, how, model); }});
  });
}

int memories_set_command(const std::vector<std::string>& arguments) {
  SetOptions how;
  std::vector<std::string> settings;
  CommandFrame frame(
      "memories set", "L12D771=off|on|VALUE|xFACTOR[@WHERE]... --model M --prompt P [OPTIONS]",
      "Continues a prompt with feed-forward cells switched off, pinned or scaled, beside the model as it is. "
      "WHERE: all, last, generated, or positions such as 0,4.",
      {"seed", "token-budget"});
  frame.syntax.examples = {
      "memories set L12D771=off --model model.gguf --prompt \"The capital of France is\""};
  frame.options.arguments("setting", settings, -1, "a setting such as L12D771=off")
      .needs_model()
      .text("prompt", how.prompt, "P", "the text in front", Use::kNeeded)
      .number("max-new", how.max_new, "N", "tokens to generate, at most")
      .number("top", how.top, "K", "likeliest next tokens listed")
      .report()
      .check([&] { how.settings = parse_memory_settings(settings); });
  return frame.run(arguments, [&](Console& console) {
    how.bos = frame.bos();
    const Model model = frame.load(console);
    const SetOutcome outcome = run_memory_set(model, how, console.progress());
    return frame.show(console, memory_set_text(outcome, how, console.columns()),
                      memory_set_json(outcome, how, model),
                      {.report = [&] { return memory_set_page(outcome, how, model); }});
  });
}

int memories_bake_command(const std::vector<std::string>& arguments) {
  BakeOptions how;
  std::vector<std::string> settings;
  std::string out;
  CommandFrame frame(
      "memories bake", "L12D771=off|xFACTOR... --model M --prompt P --out PATCH",
      "Writes settings of feed-forward cells as a patch that is listed, verified, applied and taken back "
      "like any other.\nWhat has no exact form as a change of weights is refused with the reason.",
      {"seed"});
  frame.options.arguments("setting", settings, -1, "a setting such as L12D771=off")
      .needs_model()
      .text("prompt", how.prompt, "P",
            "what the model answers to it before and after stands in the patch, to verify it by",
            Use::kNeeded)
      .text("out", out, "PATCH", "the patch to write", Use::kWrites | Use::kNeeded)
      .check([&] {
        how.settings = parse_memory_settings(settings);
        require_ending(out, OutputForm::kSafetensors);
      });
  return frame.run(arguments, [&](Console& console) {
    Model model = frame.load(console);
    how.bos = frame.bos();
    how.token_budget = frame.common.token_budget;
    const Patch patch = run_bake(model, how, console.progress());
    save_patch(patch, out);
    frame.show(console, patch_text(patch, console.columns()) + fmt::format("\nPatch: {}\n", out),
               patch_json(patch, out));
    return patch.passed ? kExitDone : kExitCheckFailed;
  });
}

}  // namespace emend
