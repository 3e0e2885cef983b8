// emend memories coactive
#include "cli/command.h"
#include "cli/command_frame.h"
#include "cli/process_group_run.h"
#include "cli/text_run_options.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/memory_coactive.h"
#include "reports/coactive_report.h"

namespace emend {

int memories_coactive_command(const std::vector<std::string>& arguments) {
  CoactiveOptions how;
  AggregateFolder folder;
  std::string layers, out;
  CommandFrame frame("memories coactive", "--model M --corpus PATH... [OPTIONS]",
                     "Which cells are active at the same tokens: pairs, their correlation, and groups of "
                     "cells. One pass over\nthe text. Started by mpirun, all processes share the work.");
  frame.syntax.examples = {"memories coactive --model model.gguf --corpus texts --layers 12"};
  frame.options.needs_model()
      .texts("corpus", how.corpus, "PATH", kCorpusHelp, Use::kReads | Use::kNeeded)
      .texts("cells", how.cells, "CELL", "cells to count, such as L12D771 (default: those of --layers)")
      .text("text-field", how.text_field, "NAME", "the field of JSON lines that holds the text")
      .text(
          "layers", layers, "LIST",
          "layers whose cells are counted (default: those of --index, or all; at most 16,384 cells together)")
      .from(0, "most", how.most, "K", "only the K most active cells of each layer, by --index (0: all)")
      .text("index", how.index, "DIR", "an index of emend memories scan, for --most and --beyond",
            Use::kFolder)
      .number("beyond", how.beyond, "Q",
              "active: beyond the cell's own quantile Q, 0.5, 0.9, 0.99 or 0.999, at its end (0: a score "
              "above 0)")
      .number("threshold", how.threshold, "PHI", "mean correlation at which cells become a group")
      .number("least", how.least, "N", "tokens at which a pair must be active together to be listed")
      .from(0, "pairs", how.pairs, "N", "pairs listed")
      .value(
          "tokens", "N", kTokensHelp, [&](const std::string& text) { how.tokens = parse_token_count(text); },
          "all")
      .flag("sentences", how.sentences, "every sentence is a row of its own")
      .number("window", how.window, "N", "tokens of a row");
  add_kept_folder_options(frame, out, folder, how,
                          "keep the counts of all pairs there, and a checkpoint of each block");
  frame.options.report().check([&] {
    require_kept_folder(frame, "memories coactive", out, folder, how);
    check_coactive(how);
  });
  return frame.run_in_group(arguments, [&](Console& console, ProcessGroup* group, std::string& what_stays) {
    frame.common.device = own_device(frame.common.device, group);
    const Model model = frame.load(console);
    take_common_options(frame, model, how);
    if (!layers.empty()) how.layers = parse_layers(layers, model.config().layers);
    folder.path = out;
    if (!out.empty())
      what_stays = "what they had found up to their last checkpoints stays, and --resume goes on from there";
    const CoactiveOutcome outcome = run_coactive(model, how, folder, console.progress(), group);
    if (!is_first(group)) return kExitDone;
    const std::string next =
        outcome.is_part ? "Join the shards: the same command with --join DIR... in place of --shard.\n" : "";
    return frame.show(console, coactive_text(outcome, console.columns()) + next,
                      coactive_json(outcome, how, model),
                      {.report = [&] { return coactive_page(outcome, how, model); }});
  });
}

}  // namespace emend
