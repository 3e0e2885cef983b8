// Record form: eric-mitchell/mend; mappings: kmeng01/rome, dsets/zsre.py, and zjunlp/EasyEdit,
// easyeditor/dataset/zsre.py. Both keep the "nq question: " in front of the locality question; ROME's puts a
// question mark behind it, EasyEdit's does not.
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"

namespace emend {
namespace {

constexpr const char* kLocalityKind = "neighborhood";
constexpr const char* kPortabilityKind = "one_hop";

// Empty if there are no answers.
std::string first_answer(const JsonView& json) {
  const JsonView answers = json.at("answers");
  if (!answers.is_array()) answers.refuse("a list of answers");
  return answers.json().empty() ? "" : std::string(trim(answers.elements().front().as_string()));
}

void skip_unanswered(std::size_t number, Collector& out) {
  out.skip(number, "no answer", "\"answers\" is an empty list, or begins with an empty text");
}

// EasyEdit's extension: {"portability": {"New Question": ..., "New Answer": ...}}.
std::vector<KindQuestion> portability_of(const JsonView& json) {
  const auto portability = json.find("portability");
  if (!portability || !portability->has("New Question")) return {};
  return {{kPortabilityKind, portability->string("New Question"), first_leaf(portability->at("New Answer"))}};
}

EvalRecord record_of(const JsonView& json, std::size_t number, const std::string& locality_end) {
  EvalRecord record;
  record.request.id = id_or_number(json, "case_id", number);
  read_prompt_and_subject(record.request, json, "src");
  if (const auto rephrase = json.find("rephrase")) record.request.paraphrases = {rephrase->as_string()};
  if (const auto locality = json.find("loc"))
    record.locality = {{kLocalityKind, locality->as_string() + locality_end, json.string("loc_ans")}};
  record.portability = portability_of(json);
  return record;
}

}  // namespace

void read_zsre(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    EvalRecord record = record_of(json, i, "?");
    record.request.target = first_answer(json);
    if (record.request.target.empty())
      skip_unanswered(i, out);
    else
      out.add(i, std::move(record));
  }
  out.note(
      "Mapping of ROME: the target is the first answer, which is true; the present answer is not named. "
      "zsre-alt has "
      "the counterfactual targets.");
  out.note(
      "Locality questions keep their front \"nq question: \" and get a question mark, as in ROME's code.");
}

void read_zsre_alt(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    EvalRecord record = record_of(json, i, "");
    record.request.target = json.string("alt");
    record.request.was = first_answer(json);
    if (record.request.was.empty())
      skip_unanswered(i, out);
    else
      out.add(i, std::move(record));
  }
  out.note(
      "Mapping of EasyEdit: the target is `alt`, which is false; the present answer is the first answer.");
  out.note("Locality questions are as written, with their front \"nq question: \".");
}

}  // namespace emend
