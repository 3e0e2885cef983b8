// emend locate
#include <fmt/format.h>

#include <iostream>

#include "cli/command.h"
#include "cli/load_model.h"
#include "cli/locate_options.h"
#include "cli/option_values.h"
#include "emend/memory_estimate.h"
#include "emend/report.h"
#include "pipeline/failure.h"
#include "reports/locate_report.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Everything that can be refused before the model is loaded.
void check_outputs(const LocateArguments& arguments, const Console& console) {
  const LocateOptions& options = arguments.run;
  if (!options.out.empty()) require_writable_folder(options.out);
  if (!arguments.svg.empty()) require_writable_folder(arguments.svg);
  const OtherFiles others{
      {options.facts, options.trial_data}, arguments.common.model, {arguments.common.statistics}};
  console.check_report(arguments.report, others);
}

void write_pages(const LocateArguments& arguments, const LocateOutcome& outcome, const Model& model,
                 const Console& console) {
  if (arguments.report.empty() && arguments.svg.empty()) return;
  const LocateReport report = locate_report(outcome, arguments.run, model);
  console.write_report(arguments.report, [&] { return locate_page(report); });
  if (!arguments.svg.empty())
    std::cout << write_pictures(report, arguments.svg).size() << " pictures in " << arguments.svg << "\n";
}

std::string unfinished_text(const LocateOptions& options, std::int64_t missing) {
  return fmt::format(
      "Part {}/{} is done; {} facts of other parts are not there yet. Once they are, the same command "
      "with --resume and without --shard gives the averages.",
      options.shard, options.shards, missing);
}

}  // namespace

int locate_command(const std::vector<std::string>& arguments) {
  LocateArguments asked;
  if (parse_locate(arguments, asked) == Parsed::kAnswered) return kExitDone;
  Console console(asked.common);
  const LocateInput input = read_locate_input(asked.run);
  check_outputs(asked, console);
  const TraceSize size{.samples = asked.run.trace.samples, .token_budget = asked.common.token_budget};
  Model model = load_model(asked.common.model, asked.common, console,
                           [&](const ModelConfig& config) { return trace_bytes(config, size); });
  fit_token_budget(model, asked.common, console);
  asked.run.trace.token_budget = asked.common.token_budget;
  if (!asked.trial_layers.empty())
    asked.run.trial_layers = parse_layers(asked.trial_layers, model.config().layers, "--trial-layers");
  const LocateOutcome outcome = run_locate(model, input, asked.run, console.progress());
  for (const std::string& note : outcome.notes) console.note(note);
  if (outcome.result.missing > 0) {
    console.note(unfinished_text(asked.run, outcome.result.missing));
    return kExitDone;
  }
  std::cout << full_report(outcome, {console.columns(), stdout_colour() == TextColour::kAnsi256});
  write_pages(asked, outcome, model, console);
  console.write_json(to_json(outcome, model));
  if (!outcome.kept.empty()) std::cout << "Kept for `layer: auto` in " << outcome.kept.string() << "\n";
  return kExitDone;
}

}  // namespace emend
