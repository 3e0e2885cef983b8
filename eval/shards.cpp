#include "eval/shards.h"

#include <algorithm>

#include "base/atomic_file.h"
#include "base/json.h"
#include "emend/error.h"
#include "eval/results/interval.h"
#include "eval/results/results_file.h"

namespace emend {

namespace fs = std::filesystem;

std::string shard_folder(std::int64_t index, std::int64_t count) {
  return "shard-" + std::to_string(index) + "-of-" + std::to_string(count);
}

void fill_figures(EvalSummary& summary, const std::vector<RecordResult>& records) {
  summary.records = 0;
  for (const RecordResult& record : records) {
    if (record.status == kAlreadyTrue)
      ++summary.skipped[kAlreadyTrue];
    else if (record.status == kSkipped)
      ++summary.skipped[record.reason];
    else
      ++summary.records;
  }
  summary.base = summarize_records(records, Moment::kBefore);
  summary.metrics = summarize_records(records, Moment::kAfter);
}

bool join_shards(const fs::path& out, std::int64_t count, const fs::path& inner) {
  std::vector<EvalResults> parts;
  Json settings;
  for (std::int64_t i = 0; i < count; ++i) {
    const fs::path folder = (out / shard_folder(i, count) / inner).lexically_normal();
    if (!fs::exists(folder / kSummaryFile)) return false;
    Json own = read_json_file(folder / "run.json");
    own.erase("shard");
    if (i == 0) settings = own;
    if (own != settings)
      throw Error(ErrorKind::kConfig, folder.string() + " was made with other settings than " +
                                          (out / shard_folder(0, count) / inner).string() + "; run it again");
    parts.push_back(read_results(folder));
  }
  EvalSummary joined = parts.front().summary;
  std::vector<RecordResult> records;
  // Reasons from the data file are the same in every part; those of records are counted again.
  for (const char* reason : {kAlreadyTrue, kNotKnown, kContradicts}) joined.skipped.erase(reason);
  joined.seconds.clear();
  for (EvalResults& part : parts) {
    for (const auto& [name, seconds] : part.summary.seconds) joined.seconds[name] += seconds;
    std::move(part.records.begin(), part.records.end(), std::back_inserter(records));
  }
  std::sort(records.begin(), records.end(),
            [](const RecordResult& a, const RecordResult& b) { return a.index < b.index; });
  fill_figures(joined, records);
  joined.notes.push_back("Joined from " + std::to_string(count) + " parts; seconds are sums over them.");
  std::string text;
  for (const RecordResult& record : records) text += record_line(record);
  const fs::path folder = (out / inner).lexically_normal();
  write_file_atomically(folder / kRecordsFile, text);
  write_summary(folder, joined);
  return true;
}

}  // namespace emend
