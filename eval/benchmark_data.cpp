#include "eval/benchmark_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "base/files.h"
#include "base/fingerprint.h"
#include "emend/error.h"
#include "eval/metrics/consistency.h"

namespace emend {
namespace {

DatasetFile read_data(const BenchmarkOptions& options) {
  const std::string ending = options.data.extension().string();
  if (!find_dataset(options.dataset).edit_files || (ending != ".yaml" && ending != ".yml"))
    return read_dataset(options.dataset, options.data);
  DatasetFile data = records_of(read_edit_file(options.data));
  data.notes.emplace_back(
      "Only the edits of the edit file were used, not its model, method, layer, options, form, bos, "
      "statistics "
      "and checks.");
  return data;
}

void choose_records(const BenchmarkOptions& options, std::vector<EvalRecord>& records) {
  const auto size = static_cast<std::int64_t>(records.size());
  const std::int64_t end = options.end_record < 0 ? size : std::min(options.end_record, size);
  if (options.first_record < 0 || options.first_record >= size)
    throw Error(ErrorKind::kUsage, fmt::format("there is no record {}: the file has {} usable records",
                                               options.first_record, size));
  if (options.first_record >= end)
    throw Error(ErrorKind::kUsage, fmt::format("the records from {} to {} (exclusive) are none",
                                               options.first_record, options.end_record));
  records.erase(records.begin() + end, records.end());
  records.erase(records.begin(), records.begin() + options.first_record);
}

// Other subjects for the records that name none: those of other records of the same prompt, whose present
// answer and target are others, in the order of a hash of both. `all` are those of the file.
void add_other_subjects(const std::vector<EvalRecord>& all, std::int64_t most,
                        std::vector<EvalRecord>& records) {
  if (most <= 0) return;
  std::map<std::pair<std::string, std::string>, std::vector<const EditRequest*>> by_prompt;
  const auto around = [](const EditRequest& request) {
    return std::pair(request.prompt.substr(0, request.subject_begin),
                     request.prompt.substr(request.subject_begin + request.subject.size()));
  };
  for (const EvalRecord& record : all) by_prompt[around(record.request)].push_back(&record.request);
  for (EvalRecord& record : records) {
    EditRequest& own = record.request;
    if (!own.bleed.empty()) continue;
    std::map<std::string, const EditRequest*> others;  // by the hash of both subjects, which draws them
    for (const EditRequest* const other : by_prompt[around(own)])
      if (other->subject != own.subject && other->was != own.was && other->was != own.target)
        others.emplace(sha256_hex(own.subject + "\n" + other->subject), other);
    for (const auto& [hash, other] : others) {
      if (static_cast<std::int64_t>(own.bleed.size()) == most) break;
      own.bleed.push_back({other->subject, other->was});
    }
  }
}

void limit_generations(std::vector<EvalRecord>& records, std::int64_t most) {
  if (most < 0) return;
  for (EvalRecord& record : records)
    if (record.generations.size() > static_cast<std::size_t>(most))
      record.generations.resize(static_cast<std::size_t>(most));
}

// The first `tokens` tokens of the rows. A row of a single token says nothing.
TextRows cut_rows(TextRows rows, std::int64_t tokens) {
  TextRows kept;
  for (auto& row : rows) {
    if (tokens < 2) break;
    if (static_cast<std::int64_t>(row.size()) > tokens) row.resize(static_cast<std::size_t>(tokens));
    tokens -= static_cast<std::int64_t>(row.size());
    kept.push_back(std::move(row));
  }
  return kept;
}

}  // namespace

DatasetFile read_benchmark_data(const BenchmarkOptions& options) {
  DatasetFile data = read_data(options);
  const std::vector<EvalRecord> all = options.other_subjects > 0 ? data.records : std::vector<EvalRecord>();
  choose_records(options, data.records);
  add_other_subjects(all, options.other_subjects, data.records);
  limit_generations(data.records, options.generations);
  return data;
}

std::vector<EvalRecord> hold_out_subjects(std::vector<EvalRecord>& records) {
  std::vector<EvalRecord> told = records;
  for (std::size_t i = 0; i < records.size(); ++i) {
    EditRequest &measured = records[i].request, &seen = told[i].request;
    const std::vector<OtherSubject> all = std::exchange(measured.bleed, {});
    seen.bleed.clear();
    std::set<std::string> asked;  // about the subjects that are measured
    for (std::size_t s = 0; s < all.size(); ++s) {
      (s % 2 == 0 ? measured : seen).bleed.push_back(all[s]);
      if (s % 2 == 0) asked.insert(prompt_about(measured, all[s].subject));
    }
    std::erase_if(seen.neighbours,
                  [&](const Neighbour& neighbour) { return asked.contains(neighbour.prompt); });
  }
  return told;
}

References read_references(const BenchmarkOptions& options) {
  References references{std::nullopt, "of the snippets"};
  if (options.snippets.empty()) return references;
  if (options.idf.empty()) {
    references.snippets.emplace(options.snippets);
    return references;
  }
  IdfFiles files = read_idf(options.idf);
  references.idf = files.fingerprint;
  references.snippets.emplace(options.snippets, std::move(files.idf));
  return references;
}

std::string why_no_consistency(const BenchmarkOptions& options, const std::vector<EvalRecord>& records,
                               const References& references) {
  const std::string not_measured = "Consistency was not measured: ";
  if (options.generations == 0) return not_measured + "the option generations is 0.";
  if (std::all_of(records.begin(), records.end(),
                  [](const EvalRecord& record) { return record.generations.empty(); }))
    return not_measured + "the records have no prompts to write from.";
  if (!references.snippets) return not_measured + "no reference texts were given (snippets).";
  if (std::none_of(records.begin(), records.end(), [&](const EvalRecord& record) {
        return references.snippets->has(record.relation, record.target_id);
      }))
    return not_measured + "the reference texts hold none of these records' relations and targets.";
  return "";
}

TextRows benchmark_drift_rows(const BenchmarkOptions& options, const Model& model, const TokenIds& prefix,
                              const TextRows& held_text) {
  if (options.drift_tokens == 0) return {};
  if (options.drift_text.empty()) return cut_rows(held_text, options.drift_tokens);
  return cut_rows(held_rows(model, prefix, {read_text_file(options.drift_text)}), options.drift_tokens);
}

}  // namespace emend
