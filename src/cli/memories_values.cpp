// emend memories values
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/option_values.h"
#include "emend/error.h"
#include "emend/memory_values.h"
#include "pipeline/failure.h"
#include "reports/values_report.h"

namespace emend {
namespace {

struct ValuesArguments {
  CommonOptions common;
  ValueOptions run;
  std::string layers, lens = "lin", index, out, report;
};

Parsed parse_values(const std::vector<std::string>& arguments, ValuesArguments& asked) {
  Syntax syntax;
  syntax.command = "memories values";
  syntax.synopsis = "--model M [--layers LIST] [--index INDEX] [--lens LENS] [--out DIR] [OPTIONS]";
  syntax.help = "Tells what the value of every feed-forward cell promotes and suppresses, in words.";
  syntax.unused = {"bos", "token-budget"};
  syntax.own.add_options()("layers", po::value(&asked.layers)->value_name("LIST"),
                           "for example 0,3,5-7 (default: all)")(
      "lens", po::value(&asked.lens)->value_name("LENS")->default_value("lin"),
      "lin, raw, or map:FILE with a matrix for each layer")(
      "top", po::value(&asked.run.top)->value_name("K")->default_value(50), "tokens kept at each end")(
      "mask-special", po::bool_switch(&asked.run.lens.mask_special), "without special tokens")(
      "sharpest", po::value(&asked.run.sharpest)->value_name("N")->default_value(100),
      "how many of the sharpest values are listed")(
      "index", po::value(&asked.index)->value_name("DIR"),
      "an index of emend memories scan: measure agreement, and keep the tables in it")(
      "out", po::value(&asked.out)->value_name("DIR"), "keep the tables there, one file a layer")(
      "report", po::value(&asked.report)->value_name("FILE"), "write an HTML page with curves and the list");
  if (parse_options(syntax, arguments, asked.common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(!asked.common.model.empty(), "memories values", "--model PATH");
  const bool masked = asked.run.lens.mask_special;
  asked.run.lens = parse_lens(asked.lens);
  asked.run.lens.mask_special = masked;
  asked.run.seed = asked.common.seed;
  if (!asked.index.empty() && !asked.out.empty())
    throw Error(ErrorKind::kUsage, "--out goes without --index, which keeps the tables itself");
  asked.run.index = asked.index;
  asked.run.out = asked.out;
  return Parsed::kRun;
}

}  // namespace

int memories_values_command(const std::vector<std::string>& arguments) {
  ValuesArguments asked;
  if (parse_values(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  console.check_report(asked.report, {{asked.run.lens.map}, asked.common.model, {asked.index, asked.out}});
  if (!asked.out.empty()) require_writable_folder(asked.out);
  const Model model = load_model(asked.common.model, asked.common, console);
  if (!asked.layers.empty()) asked.run.layers = parse_layers(asked.layers, model.config().layers);
  const ValuesOutcome outcome = run_values(model, asked.run, console.progress());
  std::cout << values_text(outcome, asked.run, console.columns());
  console.write_report(asked.report, [&] { return values_page(outcome, asked.run, model); });
  console.write_json(values_json(outcome, asked.run, model));
  return kExitDone;
}

}  // namespace emend
