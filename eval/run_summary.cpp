#include "eval/run_summary.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/results/interval.h"
#include "eval/results/results_file.h"

namespace emend {
namespace {

std::int64_t drift_tokens(const EvalSetup& setup) {
  std::int64_t tokens = 0;
  for (const auto& row : setup.drift_rows) tokens += static_cast<std::int64_t>(row.size());
  return tokens;
}

// Why a record was left out.
std::string reason_of(const RecordResult& record) {
  return record.status == RecordStatus::kSkipped ? record.reason : std::string(to_string(record.status));
}

}  // namespace

nlohmann::ordered_json run_settings(const EvalSetup& setup, const Contender& contender) {
  nlohmann::ordered_json json = summary_to_json(contender.header);
  for (const char* key : {"records", "skipped", "seconds", "base", "metrics", "retention", "curve", "notes"})
    json.erase(key);
  json["model"].erase("path");  // a moved file is the same file: fingerprints tell
  json["data"].erase("path");
  const std::vector<int>& layers = contender.context.layers;
  json["layer"] = layers.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(layers.front());
  if (layers.size() > 1) json["layers"] = layers;
  json["first_record"] = setup.first_record;
  json["record_count"] = setup.records.size();
  if (setup.curve) json["curve"] = *setup.curve;  // the default one is not named
  json["known_only"] = setup.known_only;
  json["extra_tokens"] = setup.extra_tokens;
  json["text_tokens"] = setup.text_tokens;
  json["drift_tokens"] = drift_tokens(setup);
  json["shard"] = fmt::format("{}/{}", setup.shard.index, setup.shard.count);
  return json;
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
  const auto evaluated = std::count_if(
      records.begin(), records.end(), [](const RecordResult& record) { return is_evaluated(record.status); });
  const auto warned = std::count_if(records.begin(), records.end(),
                                    [](const RecordResult& record) { return !record.warnings.empty(); });
  std::vector<std::string> notes;
  if (evaluated == 0) notes.emplace_back("No record was evaluated: all were left out.");
  if (warned > 0)
    notes.push_back(fmt::format("Records with warnings of their edit: {} of {} (records.jsonl has them).",
                                warned, evaluated));
  return notes;
}

}  // namespace emend
