#include "eval/shards.h"

#include <algorithm>
#include <cstdio>

#include "base/atomic_file.h"
#include "base/json.h"
#include "emend/error.h"
#include "eval/record_edits.h"
#include "eval/results/interval.h"
#include "eval/results/results_file.h"
#include "eval/run_folder.h"

namespace emend {

namespace fs = std::filesystem;

namespace {

// N of "shard-i-of-N"; 0 for any other name.
std::int64_t count_in(const std::string& name) {
  long long index = 0, count = 0;
  if (std::sscanf(name.c_str(), "shard-%lld-of-%lld", &index, &count) != 2) return 0;
  return name == shard_folder(index, count) ? count : 0;
}

// Why a record was left out.
std::string reason_of(const RecordResult& record) {
  return record.status == RecordStatus::kSkipped ? record.reason : std::string(to_string(record.status));
}

std::string parts_text(std::int64_t count) {
  return count == 1 ? "in one" : "in " + std::to_string(count) + " parts";
}

}  // namespace

std::string shard_folder(std::int64_t index, std::int64_t count) {
  return "shard-" + std::to_string(index) + "-of-" + std::to_string(count);
}

void fill_figures(EvalSummary& summary, const std::vector<RecordResult>& records) {
  summary.records = 0;
  for (const RecordResult& record : records) {
    if (is_evaluated(record.status))
      ++summary.records;
    else
      ++summary.skipped[reason_of(record)];
  }
  summary.base = summarize_records(records, Moment::kBefore);
  summary.metrics = summarize_records(records, Moment::kAfter);
}

std::vector<std::string> notes_on(const std::vector<RecordResult>& records) {
  const auto evaluated = std::count_if(records.begin(), records.end(),
                                       [](const RecordResult& record) { return is_evaluated(record.status); });
  const auto warned = std::count_if(records.begin(), records.end(),
                                    [](const RecordResult& record) { return !record.warnings.empty(); });
  std::vector<std::string> notes;
  if (evaluated == 0) notes.emplace_back("No record was evaluated: all were left out.");
  if (warned > 0)
    notes.push_back("Records with warnings of their edit: " + std::to_string(warned) + " of " +
                    std::to_string(evaluated) + " (records.jsonl has them).");
  return notes;
}

void require_same_parts(const fs::path& out, std::int64_t count, const std::vector<fs::path>& folders) {
  bool begun = false;  // parts are there: joined results, which have no run.json, may be, too
  if (fs::is_directory(out))
    for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
      const std::string name = entry.path().filename().string();
      const std::int64_t there = count_in(name);
      begun = begun || there > 0;
      if (there > 0 && there != count)
        throw Error(ErrorKind::kConfig, out.string() + " holds " + name + ", of a run " + parts_text(there) +
                                            ", and this one is " + parts_text(count) +
                                            "; go on with as many parts as there were and the option "
                                            "resume, or give another folder with the option out");
    }
  if (count == 1) return;
  for (const fs::path& folder : folders) {
    if (!begun) RunFolder::refuse_foreign_results(folder);
    if (fs::exists(folder / kRunFile))
      throw Error(ErrorKind::kConfig, folder.string() +
                                          " holds a run that is not in parts, and this one is " +
                                          parts_text(count) + "; give another folder with the option out");
  }
}

bool join_shards(const fs::path& out, std::int64_t count, const fs::path& inner) {
  std::vector<EvalResults> parts;
  Json settings;
  for (std::int64_t i = 0; i < count; ++i) {
    const fs::path folder = (out / shard_folder(i, count) / inner).lexically_normal();
    if (!fs::exists(folder / kSummaryFile)) return false;
    Json own = read_json_file(folder / kRunFile);
    own.erase("shard");
    if (i == 0) settings = own;
    if (own != settings)
      throw Error(ErrorKind::kConfig, folder.string() + " was made with other settings than " +
                                          (out / shard_folder(0, count) / inner).string() + "; run it again");
    parts.push_back(read_results(folder));
  }
  EvalSummary joined = parts.front().summary;
  std::vector<RecordResult> records;
  // Reasons and notes from the data file are the same in every part; those of records are made again.
  joined.skipped.erase(std::string(to_string(RecordStatus::kAlreadyTrue)));
  for (const char* reason : {kNotKnown, kContradicts}) joined.skipped.erase(reason);
  const std::vector<std::string> of_first = notes_on(parts.front().records);
  std::erase_if(joined.notes, [&](const std::string& note) {
    return std::find(of_first.begin(), of_first.end(), note) != of_first.end();
  });
  joined.seconds.clear();
  for (EvalResults& part : parts) {
    for (const auto& [name, seconds] : part.summary.seconds) joined.seconds[name] += seconds;
    std::move(part.records.begin(), part.records.end(), std::back_inserter(records));
  }
  std::sort(records.begin(), records.end(),
            [](const RecordResult& a, const RecordResult& b) { return a.index < b.index; });
  fill_figures(joined, records);
  for (std::string& note : notes_on(records)) joined.notes.push_back(std::move(note));
  joined.notes.push_back("Joined from " + std::to_string(count) + " parts; seconds are sums over them.");
  std::string text;
  for (const RecordResult& record : records) text += record_line(record);
  const fs::path folder = (out / inner).lexically_normal();
  write_file_atomically(folder / kRecordsFile, text);
  write_summary(folder, joined);
  return true;
}

}  // namespace emend
