// emend memories set SETTING...
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/memory_set.h"
#include "pipeline/failure.h"
#include "reports/memory_set_report.h"

namespace emend {
namespace {

struct SetArguments {
  CommonOptions common;
  SetOptions run;
  std::vector<std::string> settings;
  std::string report;
};

Parsed parse_set(const std::vector<std::string>& arguments, SetArguments& asked) {
  Syntax syntax;
  syntax.command = "memories set";
  syntax.synopsis = "L12D771=off|on|VALUE|xFACTOR[@WHERE]... --model M --prompt P [OPTIONS]";
  syntax.help =
      "Continues a prompt with feed-forward cells switched off, pinned or scaled, beside the model as it is. "
      "WHERE: all, last, generated, or positions such as 0,4.";
  syntax.positional = "setting";
  syntax.positionals = -1;
  syntax.unused = {"seed", "token-budget"};
  syntax.own.add_options()("setting", po::value(&asked.settings)->composing())(
      "prompt", po::value(&asked.run.prompt)->value_name("P"), "the text in front")(
      "max-new", po::value(&asked.run.max_new)->value_name("N")->default_value(20),
      "tokens to generate, at most")("top", po::value(&asked.run.top)->value_name("K")->default_value(5),
                                     "likeliest next tokens listed")(
      "report", po::value(&asked.report)->value_name("FILE"), "write an HTML page");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.settings.empty(), "memories set", "a setting such as L12D771=off");
  require_given(!asked.common.model.empty(), "memories set", "--model PATH");
  require_given(!asked.run.prompt.empty(), "memories set", "--prompt P");
  for (const std::string& text : asked.settings) asked.run.settings.push_back(parse_memory_setting(text));
  asked.run.bos = asked.common.bos.value_or("auto");
  return Parsed::kRun;
}

}  // namespace

int memories_set_command(const std::vector<std::string>& arguments) {
  SetArguments asked;
  if (parse_set(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  console.check_report(asked.report, {{}, asked.common.model, {}});
  const Model model = load_model(asked.common.model, asked.common, console);
  const SetOutcome outcome = run_memory_set(model, asked.run, console.progress());
  std::cout << memory_set_text(outcome, asked.run, console.columns());
  console.write_report(asked.report, [&] { return memory_set_page(outcome, asked.run, model); });
  console.write_json(memory_set_json(outcome, asked.run, model));
  return kExitDone;
}

}  // namespace emend
