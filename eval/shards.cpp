#include "eval/shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>

#include "base/atomic_file.h"
#include "base/json.h"
#include "emend/error.h"
#include "eval/record_edits.h"
#include "eval/results/results_file.h"
#include "eval/run_folder.h"
#include "eval/run_summary.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// N of "shard-i-of-N"; 0 for any other name.
std::int64_t count_in(const std::string& name) {
  long long index = 0, count = 0;
  if (std::sscanf(name.c_str(), "shard-%lld-of-%lld", &index, &count) != 2) return 0;
  return name == shard_folder(index, count) ? count : 0;
}

std::string parts_text(std::int64_t count) {
  return count == 1 ? "in one" : fmt::format("in {} parts", count);
}

// All parts, which must have been made with the same settings. Returns std::nullopt if one is not finished
// yet.
std::optional<std::vector<EvalResults>> read_parts(const fs::path& out, std::int64_t count,
                                                   const fs::path& inner) {
  std::vector<EvalResults> parts;
  Json settings;
  for (std::int64_t i = 0; i < count; ++i) {
    const fs::path folder = (out / shard_folder(i, count) / inner).lexically_normal();
    if (!fs::exists(folder / kSummaryFile)) return std::nullopt;
    Json own = read_json_file(folder / kRunFile);
    own.erase("shard");
    if (i == 0) settings = own;
    if (own != settings)
      throw Error(ErrorKind::kConfig,
                  fmt::format("{} was made with other settings than {}; run it again", folder.string(),
                              (out / shard_folder(0, count) / inner).string()));
    parts.push_back(read_results(folder));
  }
  return parts;
}

// What all parts share, with their seconds added up. Reasons and notes from the data file are the same in
// every part; those of records are left out, since they are made again.
EvalSummary without_figures(const std::vector<EvalResults>& parts) {
  EvalSummary joined = parts.front().summary;
  joined.skipped.erase(std::string(to_string(RecordStatus::kAlreadyTrue)));
  for (const char* reason : {kNotKnown, kContradicts}) joined.skipped.erase(reason);
  const std::vector<std::string> of_first = notes_on(parts.front().records);
  std::erase_if(joined.notes, [&](const std::string& note) {
    return std::find(of_first.begin(), of_first.end(), note) != of_first.end();
  });
  joined.seconds.clear();
  for (const EvalResults& part : parts)
    for (const auto& [name, seconds] : part.summary.seconds) joined.seconds[name] += seconds;
  return joined;
}

// In the order of the data.
std::vector<RecordResult> records_of(std::vector<EvalResults> parts) {
  std::vector<RecordResult> records;
  for (EvalResults& part : parts)
    std::move(part.records.begin(), part.records.end(), std::back_inserter(records));
  std::sort(records.begin(), records.end(),
            [](const RecordResult& a, const RecordResult& b) { return a.index < b.index; });
  return records;
}

}  // namespace

std::string shard_folder(std::int64_t index, std::int64_t count) {
  return fmt::format("shard-{}-of-{}", index, count);
}

void require_same_parts(const fs::path& out, std::int64_t count, const std::vector<fs::path>& folders) {
  bool begun = false;  // parts are there: joined results, which have no run.json, may be, too
  if (fs::is_directory(out))
    for (const fs::directory_entry& entry : fs::directory_iterator(out)) {
      const std::string name = entry.path().filename().string();
      const std::int64_t there = count_in(name);
      begun = begun || there > 0;
      if (there > 0 && there != count)
        throw Error(
            ErrorKind::kConfig,
            fmt::format("{} holds {}, of a run {}, and this one is {}; go on with as many parts as there "
                        "were and the option resume, or give another folder with the option out",
                        out.string(), name, parts_text(there), parts_text(count)));
    }
  if (count == 1) return;
  for (const fs::path& folder : folders) {
    if (!begun) RunFolder::refuse_foreign_results(folder);
    if (fs::exists(folder / kRunFile))
      throw Error(ErrorKind::kConfig, fmt::format("{} holds a run that is not in parts, and this one is {}; "
                                                  "give another folder with the option out",
                                                  folder.string(), parts_text(count)));
  }
}

bool join_shards(const fs::path& out, std::int64_t count, const fs::path& inner) {
  std::optional<std::vector<EvalResults>> parts = read_parts(out, count, inner);
  if (!parts) return false;
  EvalSummary joined = without_figures(*parts);
  const std::vector<RecordResult> records = records_of(std::move(*parts));
  fill_figures(joined, records);
  for (std::string& note : notes_on(records)) joined.notes.push_back(std::move(note));
  joined.notes.push_back(fmt::format("Joined from {} parts; seconds are sums over them.", count));
  std::string text;
  for (const RecordResult& record : records) text += record_line(record);
  const fs::path folder = (out / inner).lexically_normal();
  write_file_atomically(folder / kRecordsFile, text);
  write_summary(folder, joined);
  return true;
}

}  // namespace emend
