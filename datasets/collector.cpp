#include "datasets/collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "datasets/subject_place.h"
#include "emend/error.h"

namespace emend {
namespace {

constexpr std::size_t kMostExamples = 10;

// A key that no other edit has: fields cannot run into each other.
std::string edit_key(const EditRequest& request) {
  const std::string separator(1, '\0');
  return request.prompt + separator + request.subject + separator + std::to_string(request.subject_begin) +
         separator + request.target;
}

// "subject not in its prompt: 3, empty target: 1".
std::string counts_text(const std::map<std::string, std::int64_t>& counts) {
  std::vector<std::string> parts;
  parts.reserve(counts.size());
  for (const auto& [reason, count] : counts) parts.push_back(fmt::format("{}: {}", reason, count));
  return join(parts);
}

// Cuts the blanks at the end, drops what is empty then, and returns how many that were.
std::size_t clean_prompts(std::vector<std::string>& prompts) {
  for (std::string& prompt : prompts) prompt = std::string(trim_back(prompt));
  return std::erase_if(prompts, [](const std::string& prompt) { return prompt.empty(); });
}

// The same for prompts with answers.
template <typename Question>
std::size_t clean_questions(std::vector<Question>& questions) {
  for (Question& question : questions) {
    question.prompt = std::string(trim_back(question.prompt));
    question.answer = std::string(trim(question.answer));
  }
  return std::erase_if(questions, [](const Question& question) { return question.prompt.empty(); });
}

bool stands_again(const EditRequest& request) {
  const std::size_t first = request.prompt.find(request.subject);
  return first != request.subject_begin ||
         request.prompt.find(request.subject, first + 1) != std::string::npos;
}

}  // namespace

Collector::Collector(std::string dataset, const std::filesystem::path& path) {
  file_.dataset = std::move(dataset);
  file_.path = path;
}

void Collector::skip(std::size_t number, const std::string& reason, const std::string& detail) {
  ++file_.skipped[reason];
  if (file_.skipped_examples.size() < kMostExamples)
    file_.skipped_examples.push_back(fmt::format("record {}: {}", number, detail));
}

void Collector::clean(EvalRecord& record) {
  EditRequest& request = record.request;
  request.id = std::string(trim(request.id));
  request.target = std::string(trim(request.target));
  request.was = std::string(trim(request.was));
  dropped_questions_ += clean_prompts(request.paraphrases) + clean_questions(request.neighbours) +
                        clean_prompts(record.attributes) + clean_prompts(record.generations) +
                        clean_questions(record.locality) + clean_questions(record.portability);
  dropped_questions_ +=
      std::erase_if(record.portability, [](const KindQuestion& question) { return question.answer.empty(); });
}

// Whether the record was left out.
bool Collector::refuse(std::size_t number, const EvalRecord& record) {
  const EditRequest& request = record.request;
  if (request.subject.empty()) {
    skip(number, "empty subject", "the subject is empty");
  } else if (request.subject_begin == kNotInPrompt) {
    skip(number, "subject not in its prompt",
         fmt::format("the subject {} is not in its prompt {}{}", quote(request.subject),
                     quote(request.prompt), other_form_hint(request.prompt, request.subject)));
  } else if (request.target.empty()) {
    skip(number, "empty target", "the target is empty");
  } else if (ids_.count(request.id) > 0) {
    skip(number, "duplicate id", fmt::format("the id {} is taken", quote(request.id)));
  } else if (edits_.count(edit_key(request)) > 0) {
    skip(number, "duplicate edit",
         fmt::format("an earlier record has the prompt {} and the target {}", quote(request.prompt),
                     quote(request.target)));
  } else {
    return false;
  }
  return true;
}

void Collector::add(std::size_t number, EvalRecord record) {
  clean(record);
  if (record.request.id.empty()) record.request.id = std::to_string(number);
  if (refuse(number, record)) return;
  ids_.insert(record.request.id);
  edits_.insert(edit_key(record.request));
  if (stands_again(record.request)) ++repeated_subjects_;
  record.where = fmt::format("{}: record {}", file_.path.filename().string(), number);
  file_.records.push_back(std::move(record));
}

DatasetFile Collector::take() {
  if (file_.records.empty()) {
    const std::string why =
        file_.skipped.empty()
            ? "it has none"
            : fmt::format("{}; for example {}", counts_text(file_.skipped), file_.skipped_examples.front());
    throw Error(ErrorKind::kConfig, fmt::format("{}: no record can be used: {}", file_.path.string(), why));
  }
  if (repeated_subjects_ > 0)
    note(
        fmt::format("Records whose subject stands in the prompt more than once: {}; the place that the "
                    "record names counts, else the first.",
                    repeated_subjects_));
  if (dropped_questions_ > 0)
    note(fmt::format(
        "Questions left out because they have no prompt, or none of the answers that portability needs: {}.",
        dropped_questions_));
  return std::move(file_);
}

}  // namespace emend
