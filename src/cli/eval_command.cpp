// emend eval
#include <chrono>
#include <iostream>

#include "cli/command.h"
#include "cli/eval_options.h"
#include "cli/load_model.h"
#include "cli/process_group_run.h"
#include "emend/error.h"
#include "emend/report.h"
#include "pipeline/failure.h"
#include "reports/eval_report.h"

namespace emend {
namespace {

using Clock = std::chrono::steady_clock;

void require_no_parts_under_mpirun(const EvalCommandOptions& options, const BenchmarkOptions& benchmark) {
  if (!options.shard.empty()) throw Error(ErrorKind::kUsage, "mpirun makes the parts: leave out --shard");
  if (benchmark.mode.kind == EvalMode::Kind::kSequential)
    throw Error(
        ErrorKind::kUsage,
        "--mode sequential does not go with mpirun: every step builds on the one before; start it alone");
}

// What --json must not overwrite: all that is read, and the files of the results.
OtherFiles other_files(const EvalCommandOptions& options, const Benchmark& benchmark) {
  OtherFiles others{benchmark.outputs(), options.common.model, {}};
  others.files.insert(others.files.end(), {options.data, options.snippets, options.drift_text, options.idf});
  others.files.insert(others.files.end(), options.method_files.begin(), options.method_files.end());
  if (!options.common.statistics.empty()) others.statistics.push_back(options.common.statistics);
  return others;
}

// The model on the device of this process, and a token budget that all processes can keep. The results note
// that budget, and the device as it was asked for, so that the parts of all processes are those of one run.
Model load_own_model(CommonOptions& common, ProcessGroup* group, Console& console) {
  CommonOptions own = common;
  own.device = own_device(common.device, group);
  Model model = load_model(own.model, own, console);
  fit_token_budget(model, own, console);
  common.token_budget = group != nullptr ? group->least(own.token_budget) : own.token_budget;
  return model;
}

void report(const BenchmarkOutcome& outcome, const Console& console) {
  const std::vector<std::filesystem::path> written = write_eval_reports(outcome);
  std::cout << full_report(outcome, {console.columns()}) << "Reports: " << written[0].string() << ", "
            << written[1].string() << "\n";
  console.write_json(to_json(outcome));
}

int run_eval_command(EvalCommandOptions& options, ProcessGroup* group, std::string& what_stays) {
  const auto began = Clock::now();
  CommonOptions& common = options.common;
  const BenchmarkOptions asked = benchmark_options(options);
  if (group != nullptr) require_no_parts_under_mpirun(options, asked);
  Console console(common);
  Benchmark benchmark(asked, group);
  console.keep_json_apart(other_files(options, benchmark));
  Model model = load_own_model(common, group, console);
  const double load = std::chrono::duration<double>(Clock::now() - began).count();
  what_stays = "records that are finished stay, and --resume goes on from there";
  const BenchmarkOutcome outcome = benchmark.run(model, console.progress(), {common.token_budget, load});
  if (!outcome.methods.empty()) report(outcome, console);
  return kExitDone;
}

}  // namespace

int eval_command(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments.front() == "compare")
    return eval_compare_command({arguments.begin() + 1, arguments.end()});
  if (!arguments.empty() && arguments.front() == "abilities")
    return eval_abilities_command({arguments.begin() + 1, arguments.end()});
  for (const std::string name : {"kl", "survive"})
    if (!arguments.empty() && arguments.front() == name)
      throw Error(ErrorKind::kUsage, "'emend eval " + name + "' is not part of this version yet");
  EvalCommandOptions options;
  if (parse_eval(arguments, options) == Parsed::kAnswered) return kExitDone;
  return run_in_group(options.common, [&](ProcessGroup* group, std::string& what_stays) {
    return run_eval_command(options, group, what_stays);
  });
}

}  // namespace emend
