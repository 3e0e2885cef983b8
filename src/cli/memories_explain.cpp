// emend memories explain
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/memory_explain.h"
#include "pipeline/failure.h"
#include "reports/explain_report.h"

namespace emend {
namespace {

struct ExplainArguments {
  CommonOptions common;
  ExplainOptions run;
  std::string index, report;
};

Parsed parse_explain(const std::vector<std::string>& arguments, ExplainArguments& asked) {
  Syntax syntax;
  syntax.command = "memories explain";
  syntax.synopsis = "--model M --prompt P [--token W] [--against W2] [OPTIONS]";
  syntax.help = "Which feed-forward cells make the model say a token, layer by layer.";
  syntax.unused = {"seed", "token-budget"};
  syntax.own.add_options()("prompt", po::value(&asked.run.prompt)->value_name("P"), "the text in front")(
      "token", po::value(&asked.run.token)->value_name("W"),
      "the word to explain, by its first token (default: the likeliest next token)")(
      "against", po::value(&asked.run.against)->value_name("W2"),
      "explain the difference to this word's logit")(
      "top", po::value(&asked.run.top)->value_name("K")->default_value(5), "tokens listed for each layer")(
      "cells", po::value(&asked.run.cells)->value_name("N")->default_value(30), "cells listed")(
      "index", po::value(&asked.index)->value_name("DIR"),
      "an index of emend memories scan: also show what triggers the cells")(
      "report", po::value(&asked.report)->value_name("FILE"), "write an HTML page");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.common.model.empty(), "memories explain", "--model PATH");
  require_given(!asked.run.prompt.empty(), "memories explain", "--prompt P");
  asked.run.index = asked.index;
  asked.run.bos = asked.common.bos.value_or("auto");
  return Parsed::kRun;
}

}  // namespace

int memories_explain_command(const std::vector<std::string>& arguments) {
  ExplainArguments asked;
  if (parse_explain(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  console.check_report(asked.report, {{}, asked.common.model, {asked.index}});
  const Model model = load_model(asked.common.model, asked.common, console);
  const ExplainOutcome outcome = run_explain(model, asked.run, console.progress());
  std::cout << explain_text(outcome, asked.run, console.columns());
  console.write_report(asked.report, [&] { return explain_page(outcome, asked.run, model); });
  console.write_json(explain_json(outcome, asked.run, model));
  return kExitDone;
}

}  // namespace emend
