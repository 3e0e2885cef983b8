// emend model info PATH; emend model check PATH [--headers]
#include <iostream>

#include "cli/command.h"
#include "cli/hints.h"
#include "cli/load_model.h"
#include "emend/error.h"
#include "emend/model_check.h"
#include "emend/model_summary.h"
#include "emend/report.h"
#include "pipeline/failure.h"
#include "reports/check_report.h"

namespace emend {
namespace {

// `model info PATH` and `model check PATH` take the path as an argument, or as --model.
Parsed parse_model(const std::string& name, const std::string& help,
                   const std::vector<std::string>& arguments, CommonOptions& common,
                   bool* headers_only = nullptr) {
  Syntax syntax;
  std::string path;
  syntax.command = "model " + name;
  syntax.synopsis = "PATH";
  syntax.help = help;
  syntax.positional = "path";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("path", po::value(&path));
  if (headers_only != nullptr)
    syntax.own.add_options()("headers", po::bool_switch(headers_only),
                             "say what the headers tell, and load no weights");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return Parsed::kAnswered;
  common.model = std::string(only_model(syntax.command, path, common.model));
  return Parsed::kRun;
}

int info(const std::vector<std::string>& arguments) {
  CommonOptions common;
  if (parse_model("info", "Says what a model file is: family, shape, parameters by part, tokenizer.",
                  arguments, common) == Parsed::kAnswered)
    return kExitDone;
  Console console(common);
  console.keep_json_apart({{}, common.model, {}});
  const Model model = Model::describe(common.model, model_options(common), console.progress());
  const ModelSummary summary = summarize_model(model);
  std::cout << with_commands(full_report(summary, model));
  console.write_json(to_json(summary, model));
  return kExitDone;
}

// Loads all weights, and tries the tokenizer.
void check_weights(const ModelCheck& found, const CommonOptions& common, Console& console) {
  const Model model = load_model(common.model, common, console);
  std::cout << weights_check_text(model) << tokenizer_check_text(check_tokenizer(model));
  console.write_json(to_json(found, model));
}

int check(const std::vector<std::string>& arguments) {
  CommonOptions common;
  bool headers_only = false;
  if (parse_model(
          "check",
          "Says which tensor plays which role, where norms stand, how much memory work with the model "
          "takes and what is not supported; then loads all of it, and tries the tokenizer.",
          arguments, common, &headers_only) == Parsed::kAnswered)
    return kExitDone;
  Console console(common);
  console.keep_json_apart({{}, common.model, {}});
  const ModelCheck found = check_model_file(common.model, model_options(common).dtype);
  std::cout << full_report(found, {console.columns()}) << std::flush;
  if (!found.refusal && !headers_only) {
    check_weights(found, common, console);
    return kExitDone;
  }
  console.write_json(to_json(found));
  if (found.refusal) throw Error(*found.refusal);
  return kExitDone;
}

const std::vector<Command> kModelCommands = {
    {"info", "say what a model file is", info},
    {"check", "say what works with it, and load all of it", check},
    {"inspect", "compare it with a base, and look for known patches", model_inspect_command},
};

}  // namespace

int model_command(const std::vector<std::string>& arguments) {
  return run_command("model ", kModelCommands, arguments);
}

}  // namespace emend
