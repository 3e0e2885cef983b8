#include "eval/run_summary.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/first_names.h"
#include "eval/results/curve.h"
#include "eval/results/interval.h"
#include "eval/results/results_file.h"
#include "eval/told_facts.h"

namespace emend {
namespace {

constexpr std::size_t kMostIds = 5;

std::int64_t drift_tokens(const EvalSetup& setup) {
  std::int64_t tokens = 0;
  for (const auto& row : setup.drift_rows) tokens += static_cast<std::int64_t>(row.size());
  return tokens;
}

// Why a record was left out.
std::string reason_of(const RecordResult& record) {
  return record.status == RecordStatus::kSkipped ? record.reason : std::string(to_string(record.status));
}

std::int64_t count_evaluated(const std::vector<RecordResult>& records) {
  return std::count_if(records.begin(), records.end(),
                       [](const RecordResult& record) { return is_evaluated(record.status); });
}

std::vector<std::string> ids_of_failed(const std::vector<RecordResult>& records) {
  std::vector<std::string> ids;
  for (const RecordResult& record : records)
    if (record.status == RecordStatus::kFailed) ids.push_back(record.id);
  return ids;
}

}  // namespace

nlohmann::ordered_json run_settings(const EvalSetup& setup, const Contender& contender) {
  nlohmann::ordered_json json = summary_to_json(contender.header);
  for (const char* key :
       {"records", "failed", "skipped", "seconds", "base", "metrics", "retention", "curve", "notes"})
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
  summary.failed = static_cast<std::int64_t>(ids_of_failed(records).size());
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
  const std::int64_t evaluated = count_evaluated(records);
  const auto warned = std::count_if(records.begin(), records.end(),
                                    [](const RecordResult& record) { return !record.warnings.empty(); });
  std::vector<std::string> notes;
  if (evaluated == 0) notes.emplace_back("No record was evaluated: all were left out.");
  if (const std::vector<std::string> failed = ids_of_failed(records); !failed.empty())
    notes.push_back(fmt::format(
        "Failed edits, which the figures count as they are: {} of {} ({}; records.jsonl has the reasons).",
        failed.size(), evaluated, first_names(failed, kMostIds)));
  if (warned > 0)
    notes.push_back(fmt::format("Records with warnings of their edit: {} of {} (records.jsonl has them).",
                                warned, evaluated));
  return notes;
}

std::vector<std::string> notes_on_missing(const EvalSetup& setup, bool tells,
                                          const std::vector<RecordResult>& records) {
  std::vector<std::string> notes;
  if (tells) {
    notes.emplace_back("Drift was not measured: no weight changes.");
    if (const std::int64_t out = count_untold(records); out > 0)
      notes.push_back(fmt::format("{} of {} facts had no room in front of a prompt and are failed edits.",
                                  out, count_evaluated(records)));
  } else if (setup.drift_rows.empty()) {
    notes.emplace_back(setup.wants_drift
                           ? "Drift was not measured: no text was given, and the statistics hold none back."
                           : "Drift was not measured: the option drift-tokens is 0.");
  }
  if (setup.mode.kind == EvalMode::Kind::kSequential && setup.curve)
    if (const auto beyond = points_beyond(records.size(), *setup.curve); !beyond.empty())
      notes.push_back(
          fmt::format("Points of the curve beyond the last of {} records, which were not measured: {}.",
                      records.size(), fmt::join(beyond, ", ")));
  return notes;
}

}  // namespace emend
