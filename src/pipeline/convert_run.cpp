#include "emend/convert_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/atomic_file.h"
#include "base/strings.h"
#include "config/edit_file_writer.h"
#include "config/edit_lines.h"
#include "config/yaml_text.h"
#include "emend/dataset.h"
#include "emend/error.h"
#include "emend/version.h"
#include "io/output_check.h"
#include "report/numbers.h"

namespace emend {
namespace {

DatasetFile read_input(const ConvertOptions& options) {
  const std::string extension = options.in.extension().string();
  if (options.dataset != "emend" || (extension != ".yaml" && extension != ".yml"))
    return read_dataset(options.dataset, options.in);
  DatasetFile file = records_of(read_edit_file(options.in));
  file.notes.push_back(
      "Of an edit file only the edits are taken: model, method, options and checks stay behind.");
  return file;
}

// Questions whose answers must not move are the neighbours of an edit file, whatever the set calls them.
std::vector<EditRequest> requests_of(const DatasetFile& file) {
  std::vector<EditRequest> requests;
  for (const EvalRecord& record : file.records) {
    requests.push_back(record.request);
    std::transform(record.locality.begin(), record.locality.end(),
                   std::back_inserter(requests.back().neighbours), [](const KindQuestion& question) {
                     return Neighbour{question.prompt, question.answer};
                   });
  }
  return requests;
}

ConvertOutcome outcome_of(DatasetFile file, const FittedEdits& fitted) {
  ConvertOutcome outcome;
  outcome.read = static_cast<std::int64_t>(file.records.size());
  for (const auto& [reason, count] : file.skipped) outcome.read += count;
  outcome.written = static_cast<std::int64_t>(fitted.edits.size());
  outcome.left_out = std::move(file.skipped);
  for (const auto& [reason, count] : fitted.left_out) outcome.left_out[reason] += count;
  if (fitted.beyond > 0) outcome.left_out["beyond the limit"] += static_cast<std::int64_t>(fitted.beyond);
  outcome.left_out_questions = fitted.left_out_questions;
  outcome.examples = std::move(file.skipped_examples);
  outcome.notes = std::move(file.notes);
  return outcome;
}

void require_edits(const ConvertOutcome& outcome, const ConvertOptions& options) {
  if (outcome.written == 0)
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: none of its {} records can stand in an edit file; for example: {}",
                            options.in.string(), count_text(outcome.read), outcome.left_out.begin()->first));
}

std::vector<std::string> comment_of(const ConvertOutcome& outcome, const ConvertOptions& options) {
  std::vector<std::string> lines = {
      fmt::format("Written by emend {}, convert facts, from {} of the data set {}", emend_version(),
                  quote(options.in.filename().string()), options.dataset),
      fmt::format("Records read: {}, edits written: {}", count_text(outcome.read),
                  count_text(outcome.written))};
  for (const auto& [reason, count] : outcome.left_out)
    lines.push_back(fmt::format("Records left out, {}: {}", reason, count_text(count)));
  for (const auto& [reason, count] : outcome.left_out_questions)
    lines.push_back(fmt::format("Questions left out, {}: {}", reason, count_text(count)));
  lines.insert(lines.end(), outcome.notes.begin(), outcome.notes.end());
  return lines;
}

void require_readable_size(const std::string& text, const std::filesystem::path& out) {
  if (text.size() > kMaxYamlBytes)
    throw Error(
        ErrorKind::kConfig,
        fmt::format(
            "{} would have {}; an edit file has at most {}: write fewer edits with the option limit N",
            out.string(), human_bytes(text.size()), human_bytes(kMaxYamlBytes)));
}

}  // namespace

ConvertOutcome convert_facts(const ConvertOptions& options) {
  if (options.limit < 0)
    throw Error(ErrorKind::kUsage, fmt::format("limit must be at least 0, found {}", options.limit));
  require_not_among(options.out, {options.in});
  DatasetFile file = read_input(options);
  const FittedEdits fitted = fit_edits(requests_of(file), static_cast<std::size_t>(options.limit));
  ConvertOutcome outcome = outcome_of(std::move(file), fitted);
  outcome.asked = options;
  require_edits(outcome, options);
  const std::string text = is_edit_lines(options.out)
                               ? edit_lines_text(fitted.edits)
                               : edit_file_text(fitted.edits, comment_of(outcome, options));
  require_readable_size(text, options.out);
  write_file_atomically(options.out, text);
  return outcome;
}

}  // namespace emend
