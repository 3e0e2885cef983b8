// emend's own records, docs/formats.md. Keys that no reader knows are errors, since they are typing mistakes.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/nearest.h"
#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "datasets/subject_place.h"
#include "emend/error.h"

namespace emend {
namespace {

// `known` says whether the models of the invented world know the fact; it is for their tests.
const std::vector<std::string> kKeys = {"id",          "relation",           "known",        "prompt",
                                        "subject",     "subject_occurrence", "target",       "was",
                                        "paraphrases", "neighbours",         "attributes",   "generations",
                                        "locality",    "portability",        "same_subject", "bleed"};

// The kind of `same_subject`: other facts about the subject, which must not move.
constexpr const char* kSameSubject = "same_subject";

void check_keys(const JsonView& json) {
  for (const std::string& key : json.keys())
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
      throw Error(ErrorKind::kFormat,
                  fmt::format("{}: unknown key {}{}", json.source(), quote(key), did_you_mean(key, kKeys)));
}

std::vector<JsonView> list_or_none(const JsonView& json, std::string_view key) {
  const auto list = json.find(key);
  return list ? list->elements() : std::vector<JsonView>();
}

std::vector<Neighbour> neighbours_of(const JsonView& json) {
  std::vector<Neighbour> neighbours;
  for (const JsonView& item : list_or_none(json, "neighbours")) {
    if (item.is_string())
      neighbours.push_back({item.as_string(), ""});
    else
      neighbours.push_back({item.string("prompt"), item.string_or("answer", "")});
  }
  return neighbours;
}

std::vector<OtherSubject> other_subjects_of(const JsonView& json) {
  std::vector<OtherSubject> others;
  for (const JsonView& item : list_or_none(json, "bleed")) {
    if (item.is_string())
      others.push_back({item.as_string(), ""});
    else
      others.push_back({item.string("subject"), item.string_or("answer", "")});
    if (others.back().subject.empty()) item.refuse("a subject that is not empty");
  }
  return others;
}

// `kind` is the default one; empty: each question has to name its own.
void append_questions(std::vector<KindQuestion>& questions, const JsonView& json, std::string_view key,
                      const std::string& kind) {
  for (const JsonView& item : list_or_none(json, key)) {
    const std::string own = kind.empty() ? item.string("kind") : item.string_or("kind", kind);
    questions.push_back({own, item.string("prompt"), item.string_or("answer", "")});
  }
}

// Moves subject_begin on to a later occurrence, counted from 1.
void choose_occurrence(EditRequest& request, const JsonView& occurrence) {
  for (std::int64_t n = occurrence.as_positive_integer(); n > 1 && request.subject_begin != kNotInPrompt; --n)
    request.subject_begin = request.prompt.find(request.subject, request.subject_begin + 1);
  if (request.subject_begin == kNotInPrompt) occurrence.refuse("an occurrence of the subject in its prompt");
}

EvalRecord record_of(const JsonView& json, std::size_t number) {
  EvalRecord record;
  record.request.id = id_or_number(json, "id", number);
  read_prompt_and_subject(record.request, json, "prompt");
  if (const auto occurrence = json.find("subject_occurrence")) choose_occurrence(record.request, *occurrence);
  record.request.target = json.string("target");
  record.request.was = json.string_or("was", "");
  record.request.paraphrases = texts_or_none(json, "paraphrases");
  record.request.neighbours = neighbours_of(json);
  record.request.bleed = other_subjects_of(json);
  record.relation = json.string_or("relation", "");
  record.attributes = texts_or_none(json, "attributes");
  record.generations = texts_or_none(json, "generations");
  append_questions(record.locality, json, "locality", "");
  append_questions(record.locality, json, kSameSubject, kSameSubject);
  append_questions(record.portability, json, "portability", "");
  return record;
}

}  // namespace

void read_emend(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    check_keys(json);
    out.add(i, record_of(json, i));
  }
}

}  // namespace emend
