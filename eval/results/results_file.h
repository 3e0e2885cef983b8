// The files of a run: summary.json and records.jsonl in one folder a method.
//
// Numbers are printed so that they read back as the same double; a number that is not finite is null and
// reads back as NaN. In text that is not UTF-8 (a model may end inside a character) the broken bytes become
// U+FFFD.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "emend/eval_results.h"

namespace emend {

inline constexpr const char* kSummaryFile = "summary.json";
inline constexpr const char* kRecordsFile = "records.jsonl";
// Files of a sequential run, one a point of its curve: all records so far as lines of records.jsonl, without
// their answers and what the unedited model has.
inline constexpr const char* kCurveFolder = "curve";
// Beside the folders of the methods, made from their files.
inline constexpr const char* kHtmlReport = "report.html";
inline constexpr const char* kMarkdownReport = "report.md";

nlohmann::ordered_json summary_to_json(const EvalSummary& summary);
// `source` names the document in errors. Keys of later versions are ignored. Throws Error(kFormat).
EvalSummary summary_from_json(const nlohmann::json& json, const std::string& source);

// One line with its line feed.
std::string record_line(const RecordResult& record);
// Throws Error(kFormat).
RecordResult record_from_line(std::string_view line, const std::string& source);

// The records of one point of the curve of the run in `folder`: the whole file or nothing. Throws Error(kIo).
void write_curve_records(const std::filesystem::path& folder, std::int64_t edits,
                         const std::vector<RecordResult>& records);
// All points that the folder has: edits -> records. None is no error. Throws what read_records throws.
std::map<std::int64_t, std::vector<RecordResult>> read_curve_records(const std::filesystem::path& folder);

// The whole file or nothing. Throws Error(kIo).
void write_summary(const std::filesystem::path& folder, const EvalSummary& summary);
EvalSummary read_summary(const std::filesystem::path& file);

// Every line must be whole, and no id may occur twice. An error names file and line (from 1); if the last
// line has no end, it says that the run was killed and how to go on.
std::vector<RecordResult> read_records(const std::filesystem::path& file);

// For resuming: the records of the whole lines at the front, and the bytes that they take, to which the file
// may be cut before more is appended. A last line without line feed is left out. Throws Error(kFormat) for a
// whole line that cannot be read: no kill broke it. A file that does not exist holds nothing.
std::vector<RecordResult> read_finished_records(const std::filesystem::path& file, std::size_t* bytes_whole);

}  // namespace emend
