// emend memories aggregate
#include "cli/load_model.h"
#include "cli/memories_analysis.h"
#include "cli/memories_commands.h"
#include "cli/option_values.h"
#include "cli/text_run_options.h"
#include "emend/memory_aggregate.h"
#include "reports/aggregate_report.h"

namespace emend {

namespace po = boost::program_options;

int memories_aggregate_command(const std::vector<std::string>& arguments) {
  AggregateOptions how;
  std::vector<std::string> corpus;
  std::string layers = "all", tokens = "all", lens = "lin";
  AnalysisCommand command;
  Syntax& syntax = command.syntax;
  syntax.command = "memories aggregate";
  syntax.synopsis = "--model M --corpus PATH... [OPTIONS]";
  syntax.help =
      "How the cells of each layer come to its output and the layers to the model's answer: active cells, "
      "zero "
      "agreement,\nwho decides. One pass over the text.";
  syntax.own.add_options()("corpus", po::value(&corpus)->multitoken()->composing()->value_name("PATH"),
                           "files and folders of plain text or .jsonl, also .gz and .zst")(
      "text-field", po::value(&how.text_field)->value_name("NAME")->default_value("text"),
      "the field of JSON lines that holds the text")(
      "layers", po::value(&layers)->value_name("LIST")->default_value("all"), "all, or for example 0,3,5-7")(
      "examples", po::value(&how.examples)->value_name("N")->default_value(4000),
      "positions that are measured, drawn from all rows alike")(
      "coalitions", po::value(&how.coalitions)->value_name("N")->default_value(20),
      "positions of which minimal coalitions are sought")(
      "tokens", po::value(&tokens)->value_name("N")->default_value("all"),
      "tokens to read, of a seeded sample of documents; all: the whole corpus")(
      "window", po::value(&how.window)->value_name("N")->default_value(512), "tokens of a row")(
      "lens", po::value(&lens)->value_name("LENS")->default_value("lin"), "lin or raw");
  command.check = [&] {
    require_given(!command.common.model.empty(), syntax.command, "--model PATH");
    require_given(!corpus.empty(), syntax.command, "--corpus PATH");
    how.lens = parse_lens(lens);
    how.tokens = parse_token_count(tokens);
    how.corpus.assign(corpus.begin(), corpus.end());
    how.seed = command.common.seed;
    return AnalysisPaths{corpus, {}};
  };
  command.run = [&](Console& console) {
    const Model model = load_model(command.common.model, command.common, console);
    fit_token_budget(model, command.common, console);
    how.token_budget = command.common.token_budget;
    how.layers = parse_layers(layers, model.config().layers);
    how.prefix = resolve_bos(model.tokenizer(), command.common.bos.value_or("auto"));
    const AggregateOutcome outcome = run_aggregate(model, how, console.progress());
    return AnalysisShown{aggregate_text(outcome, console.columns()), aggregate_json(outcome, how, model),
                         aggregate_page(outcome, how, model)};
  };
  return run_analysis(command, arguments);
}

}  // namespace emend
