// emend memories aggregate
#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "cli/process_group_run.h"
#include "cli/text_run_options.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/memory_aggregate.h"
#include "reports/aggregate_report.h"

namespace emend {
namespace {

void check_folder(const CommandFrame& frame, const AggregateOptions& how, const AggregateFolder& folder,
                  const std::string& out) {
  require_kept_folder(frame, "memories aggregate", out, folder, how);
  if (how.shards > 1 && how.sparsity > 0)
    throw Error(ErrorKind::kUsage,
                "--sparsity is measured where all shards are joined: it does not go with --shard");
}

}  // namespace

int memories_aggregate_command(const std::vector<std::string>& arguments) {
  AggregateOptions how;
  AggregateFolder folder;
  std::string layers = "all", out;
  CommandFrame frame(
      "memories aggregate", "--model M --corpus PATH... [OPTIONS]",
      "How the cells of each layer come to its output and the layers to the model's answer: active cells, "
      "zero agreement,\nwho decides. One pass over the text. Started by mpirun, all processes share the "
      "work.");
  frame.options.needs_model()
      .texts("corpus", how.corpus, "PATH", kCorpusHelp, Use::kReads | Use::kNeeded)
      .text("text-field", how.text_field, "NAME", "the field of JSON lines that holds the text")
      .text("layers", layers, "LIST", kLayersHelp)
      .number("examples", how.examples, "N", "positions that are measured, drawn from all rows alike")
      .number("coalitions", how.coalitions, "N", "positions of which minimal coalitions are sought")
      .value(
          "tokens", "N", kTokensHelp, [&](const std::string& text) { how.tokens = parse_token_count(text); },
          "all")
      .number("sparsity", how.sparsity, "N",
              "measure on N tokens what is left of the predictions with the largest cells alone")
      .flag("sentences", how.sentences, "every sentence is a row of its own")
      .number("window", how.window, "N", "tokens of a row")
      .value(
          "lens", "LENS", "lin or raw", [&](const std::string& text) { how.lens = parse_lens(text); }, "lin");
  add_kept_folder_options(frame, out, folder, how,
                          "keep the numbers of all positions there, and a checkpoint of each block");
  frame.options.report().check([&] { check_folder(frame, how, folder, out); });
  return frame.run_in_group(arguments, [&](Console& console, ProcessGroup* group, std::string& what_stays) {
    frame.common.device = own_device(frame.common.device, group);
    const Model model = frame.load(console);
    take_common_options(frame, model, how);
    how.layers = parse_layers(layers, model.config().layers);
    folder.path = out;
    if (!out.empty())
      what_stays = "what they had found up to their last checkpoints stays, and --resume goes on from there";
    const AggregateOutcome outcome = run_aggregate(model, how, folder, console.progress(), group);
    if (!is_first(group)) return kExitDone;
    const std::string next =
        outcome.is_part ? "Join the shards: the same command with --join DIR... in place of --shard.\n" : "";
    return frame.show(console, aggregate_text(outcome, console.columns()) + next,
                      aggregate_json(outcome, how, model),
                      {.report = [&] { return aggregate_page(outcome, how, model); }});
  });
}

}  // namespace emend
