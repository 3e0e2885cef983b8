// emend memories aggregate
#include "cli/command.h"
#include "cli/command_frame.h"
#include "cli/text_run_options.h"
#include "console/option_values.h"
#include "emend/memory_aggregate.h"
#include "reports/aggregate_report.h"

namespace emend {

int memories_aggregate_command(const std::vector<std::string>& arguments) {
  AggregateOptions how;
  std::string layers = "all";
  CommandFrame frame(
      "memories aggregate", "--model M --corpus PATH... [OPTIONS]",
      "How the cells of each layer come to its output and the layers to the model's answer: active cells, "
      "zero agreement,\nwho decides. One pass over the text.");
  frame.options.needs_model()
      .texts("corpus", how.corpus, "PATH", kCorpusHelp, Use::kReads | Use::kNeeded)
      .text("text-field", how.text_field, "NAME", "the field of JSON lines that holds the text")
      .text("layers", layers, "LIST", kLayersHelp)
      .number("examples", how.examples, "N", "positions that are measured, drawn from all rows alike")
      .number("coalitions", how.coalitions, "N", "positions of which minimal coalitions are sought")
      .value(
          "tokens", "N", kTokensHelp, [&](const std::string& text) { how.tokens = parse_token_count(text); },
          "all")
      .number("window", how.window, "N", "tokens of a row")
      .value(
          "lens", "LENS", "lin or raw", [&](const std::string& text) { how.lens = parse_lens(text); }, "lin")
      .report();
  return frame.run(arguments, [&](Console& console) {
    const Model model = frame.load(console);
    how.seed = frame.common.seed;
    how.token_budget = frame.common.token_budget;
    how.layers = parse_layers(layers, model.config().layers);
    how.prefix = resolve_bos(model.tokenizer(), frame.bos());
    const AggregateOutcome outcome = run_aggregate(model, how, console.progress());
    return frame.show(console, aggregate_text(outcome, console.columns()),
                      aggregate_json(outcome, how, model),
                      {.report = [&] { return aggregate_page(outcome, how, model); }});
  });
}

}  // namespace emend
