// emend stats merge DIR... --out DIR; emend memories merge DIR... --out INDEX
#include "cli/command.h"
#include "cli/command_frame.h"
#include "emend/memory_scan.h"
#include "emend/report.h"
#include "emend/statistics_job.h"
#include "reports/memory_report.h"

namespace emend {
namespace {

struct MergeFolders {
  std::vector<std::filesystem::path> folders;
  std::filesystem::path out;
};

void add_merge_options(CommandFrame& frame, const char* written, MergeFolders& asked) {
  frame.options.arguments("folder", asked.folders, -1, "at least one folder", Use::kFolder)
      .text("out", asked.out, written, "folder to write to", Use::kWritesFolder | Use::kNeeded);
}

}  // namespace

int stats_merge_command(const std::vector<std::string>& arguments) {
  MergeFolders asked;
  CommandFrame frame(
      "stats merge", "DIR [DIR ...] --out DIR",
      "Joins statistics as if one run had summed all their text: the shards of a run, or runs over different "
      "text. The folders\nhold either finished layers or partial sums (--shard, --keep-sums); sums are added "
      "in float64.",
      kWithoutModel);
  frame.syntax.examples = {"stats merge part0 part1 --out stats"};
  add_merge_options(frame, "DIR", asked);
  return frame.run(arguments, [&](Console& console) {
    const StatisticsSummary summary = merge_into(asked.folders, asked.out, console.progress());
    return frame.show(console, full_report(summary, {console.columns()}), to_json(summary));
  });
}

int memories_merge_command(const std::vector<std::string>& arguments) {
  MergeFolders asked;
  CommandFrame frame(
      "memories merge", "DIR [DIR ...] --out INDEX",
      "Joins the parts that emend memories scan --shard wrote into one index, as if one run had read all "
      "text.",
      kWithoutModel);
  add_merge_options(frame, "INDEX", asked);
  return frame.run(arguments, [&](Console& console) {
    const ScanOutcome outcome = merge_scans(asked.folders, asked.out, console.progress());
    return frame.show(console, scan_text(outcome, asked.out, console.columns()), scan_json(outcome, nullptr));
  });
}

}  // namespace emend
