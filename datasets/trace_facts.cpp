// known_1000.json of kmeng01/rome, records of edits, or one's own.
#include "datasets/trace_facts.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "base/utf8.h"
#include "datasets/json_records.h"
#include "emend/error.h"

namespace emend {

namespace {

TraceFact fact_of(const JsonView& record, std::size_t number) {
  TraceFact fact;
  fact.id = fact_id(record, number);
  fact.prompt = std::string(trim_back(record.string("prompt")));
  fact.subject = std::string(trim(record.string("subject")));
  if (fact.prompt.empty()) record.at("prompt").refuse("a text that is not empty");
  if (fact.subject.empty()) record.at("subject").refuse("a text that is not empty");
  const auto occurrence = record.find("subject_occurrence");
  fact.subject_begin =
      place_of_subject(fact.prompt, fact.subject, occurrence ? occurrence->as_positive_integer() : 0,
                       record.source(), "subject_occurrence");
  fact.answer = expected_answer(record);
  return fact;
}

}  // namespace

std::size_t place_of_subject(const std::string& prompt, const std::string& subject, std::int64_t occurrence,
                             const std::string& where, const std::string& chosen_by) {
  const std::vector<std::size_t> places = find_occurrences(prompt, subject);
  const auto count = static_cast<std::int64_t>(places.size());
  if (places.empty())
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: the subject {} is not in the prompt {}{}", where, quote(subject),
                            quote(prompt), other_form_hint(prompt, subject)));
  if (occurrence > count)
    throw Error(
        ErrorKind::kConfig,
        fmt::format("{}: there is no occurrence {} of the subject {}, which stands in the prompt {} times",
                    where, occurrence, quote(subject), count));
  if (occurrence == 0 && count > 1)
    throw Error(ErrorKind::kConfig, fmt::format("{}: the subject {} stands in the prompt {} times; say which "
                                                "one with {} (1 to {})",
                                                where, quote(subject), count, chosen_by, count));
  return places[static_cast<std::size_t>(occurrence == 0 ? 0 : occurrence - 1)];
}

std::vector<TraceFact> read_trace_facts(const std::filesystem::path& path) {
  return read_facts_with_ids(JsonRecords(path), fact_of);
}

}  // namespace emend
