// Record form: KnowEdit (Zhang et al. 2024, "A comprehensive study of knowledge editing for large language
// models"); zjunlp/EasyEdit, easyeditor/dataset/knowedit.py.
#include <utility>

#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "emend/error.h"

namespace emend {
namespace {

// WikiBio's records have a text with wrong sentences instead of a prompt with an answer.
void refuse_wikibio(const JsonView& json) {
  if (json.has("prompt") || !json.has("concept") || !json.has("text")) return;
  throw Error(
      ErrorKind::kFormat,
      json.source() +
          ": a WikiBio record (concept, text, labels) corrects a sentence of a biography; it has no prompt "
          "about a subject, so it cannot be read as an edit. Use the other parts of KnowEdit");
}

std::string leaf_or_none(const JsonView& json, std::string_view key) {
  const auto value = json.find(key);
  return value ? first_leaf(*value) : std::string();
}

// One object, or a list of them.
std::vector<JsonView> one_or_more(const JsonView& value) {
  return value.is_array() ? value.elements() : std::vector<JsonView>{value};
}

// {"Reasoning": [{"prompt": ..., "ground_truth": [["..."]]}], ...}; a kind may be null.
std::vector<KindQuestion> questions_of(const JsonView& json, std::string_view key) {
  std::vector<KindQuestion> questions;
  const auto kinds = json.find(key);
  if (!kinds) return questions;
  for (const std::string& kind : kinds->keys()) {
    const auto list = kinds->find(kind);
    if (!list) continue;
    for (const JsonView& question : one_or_more(*list))
      questions.push_back({kind, first_leaf(question.at("prompt")), leaf_or_none(question, "ground_truth")});
  }
  return questions;
}

std::vector<std::string> rephrasings_of(const JsonView& json) {
  const auto given = json.has("rephrase_prompt") ? json.find("rephrase_prompt") : json.find("rephrase");
  if (!given) return {};
  return given->is_array() ? given->as_strings() : std::vector<std::string>{given->as_string()};
}

}  // namespace

void read_knowedit(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    refuse_wikibio(json);
    EvalRecord record;
    record.request.id = id_or_number(json, "case_id", i);
    read_prompt_and_subject(record.request, json, "prompt");
    record.request.target = first_leaf(json.at("target_new"));
    record.request.was = leaf_or_none(json, "ground_truth");
    record.request.paraphrases = rephrasings_of(json);
    record.locality = questions_of(json, "locality");
    record.portability = questions_of(json, "portability");
    out.add(i, std::move(record));
  }
  out.note("Of answers that are lists, the first one counts, as in EasyEdit's code.");
}

}  // namespace emend
