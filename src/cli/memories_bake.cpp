// emend memories bake SET... --out PATCH
#include <fmt/format.h>

#include "cli/load_model.h"
#include "cli/memories_analysis.h"
#include "cli/memories_commands.h"
#include "emend/memory_bake.h"
#include "pipeline/failure.h"
#include "reports/patch_report.h"

namespace emend {

namespace po = boost::program_options;

int memories_bake_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> settings;
  std::string out;
  BakeOptions how;
  AnalysisCommand command;
  command.has_page = false;
  Syntax& syntax = command.syntax;
  syntax.command = "memories bake";
  syntax.synopsis = "L12D771=off|xFACTOR... --model M --prompt P --out PATCH";
  syntax.help =
      "Writes settings of feed-forward cells as a patch that is listed, verified, applied and taken back "
      "like any "
      "other.\nWhat has no exact form as a change of weights is refused with the reason.";
  syntax.positional = "setting";
  syntax.positionals = -1;
  syntax.unused = {"seed"};
  syntax.own.add_options()("setting", po::value(&settings)->composing())(
      "prompt", po::value(&how.prompt)->value_name("P"),
      "what the model answers to it before and after stands in the patch, to verify it by")(
      "out", po::value(&out)->value_name("PATCH"), "the patch to write");
  command.check = [&] {
    require_given(!settings.empty(), syntax.command, "a setting such as L12D771=off");
    require_given(!command.common.model.empty(), syntax.command, "--model PATH");
    require_given(!how.prompt.empty(), syntax.command, "--prompt P");
    require_given(!out.empty(), syntax.command, "--out PATCH");
    for (const std::string& text : settings) how.settings.push_back(parse_memory_setting(text));
    how.bos = command.common.bos.value_or("auto");
    require_writable_file(out);
    require_not_among(out, {command.common.model});
    return AnalysisPaths{{out}, {}};
  };
  command.run = [&](Console& console) {
    Model model = load_model(command.common.model, command.common, console);
    how.token_budget = command.common.token_budget;
    const Patch patch = run_bake(model, how, console.progress());
    save_patch(patch, out);
    return AnalysisShown{patch_text(patch, console.columns()) + fmt::format("\nPatch: {}\n", out),
                         patch_json(patch, out), "", patch.passed ? kExitDone : kExitCheckFailed};
  };
  return run_analysis(command, arguments);
}

}  // namespace emend
