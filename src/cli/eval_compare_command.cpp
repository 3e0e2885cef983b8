// emend eval compare A B
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/eval_results.h"
#include "emend/report.h"
#include "eval/results/results_file.h"

namespace emend {

int eval_compare_command(const std::vector<std::string>& arguments) {
  std::vector<std::filesystem::path> folders;
  BootstrapOptions how;
  CommandFrame frame(
      "eval compare", "A B [--seed N] [--draws N] [--json FILE]",
      "Compares two result folders of emend eval over the records that both evaluated: each metric's "
      "difference with its 95 % interval and p, by a paired bootstrap over records.",
      {"model", "device", "dtype", "bos", "threads", "token-budget"});
  frame.syntax.examples = {"eval compare results/rome results/bulk"};
  frame.options.arguments("folder", folders, 2, "")
      .count("draws", how.draws, "N", "draws of the bootstrap")
      .check([&] {
        require_given(folders.size() == 2, "eval compare",
                      folders.empty() ? "a pair of result folders" : "the second result folder");
      });
  frame.other_paths = [&] {
    OtherFiles others;
    for (const std::filesystem::path& folder : folders)
      for (const char* name : {kSummaryFile, kRecordsFile}) others.files.push_back(folder / name);
    return others;
  };
  return frame.run(arguments, [&](Console& console) {
    how.seed = frame.common.seed;
    const Comparison comparison = compare_runs(folders[0], folders[1], how);
    for (const std::string& warning : comparison.warnings) console.warn(warning);
    return frame.show(console, full_report(comparison, {console.columns()}), to_json(comparison));
  });
}

}  // namespace emend
