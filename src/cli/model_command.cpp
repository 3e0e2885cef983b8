// emend model info PATH; emend model check PATH
#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "emend/model_summary.h"
#include "pipeline/failure.h"
#include "reports/model_report.h"

namespace emend {
namespace {

namespace po = boost::program_options;

// `model info PATH` and `model check PATH` take the path as an argument, or as --model.
Parsed parse_model(const std::string& name, const std::string& help,
                   const std::vector<std::string>& arguments, CommonOptions& common) {
  Syntax syntax;
  std::string path;
  syntax.command = "model " + name;
  syntax.synopsis = "PATH";
  syntax.help = help;
  syntax.positional = "path";
  syntax.positionals = 1;
  syntax.unused = {"bos", "seed", "token-budget"};
  syntax.own.add_options()("path", po::value(&path));
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return Parsed::kAnswered;
  require_given(path.empty() != common.model.empty(), syntax.command,
                path.empty() ? "the model" : "one path, not two: the model");
  if (!path.empty()) common.model = path;
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
  std::cout << model_text(summary, model);
  console.write_json(model_info_json(summary, model));
  return kExitDone;
}

int check(const std::vector<std::string>& arguments) {
  CommonOptions common;
  if (parse_model("check",
                  "Loads all of a model, says which tensor plays which role, and tries the tokenizer.",
                  arguments, common) == Parsed::kAnswered)
    return kExitDone;
  Console console(common);
  console.keep_json_apart({{}, common.model, {}});
  const Model model = load_model(common.model, common, console);
  std::cout << roles_text(model, console.columns());
  std::cout << tokenizer_check_text(check_tokenizer(model));
  console.write_json(model_check_json(model));
  return kExitDone;
}

const std::vector<Command> kModelCommands = {
    {"info", "say what a model file is", info},
    {"check", "load all of it and say which tensor plays which role", check},
    {"inspect", "compare it with a base, and look for known patches", model_inspect_command},
};

}  // namespace

int model_command(const std::vector<std::string>& arguments) {
  return run_command("model ", kModelCommands, arguments);
}

}  // namespace emend
