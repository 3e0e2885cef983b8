// Record form: kmeng01/rome, dsets/counterfact.py; Meng et al. 2022, "Locating and editing factual
// associations in GPT", appendix E.
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "datasets/subject_place.h"

namespace emend {
namespace {

// Neighbours are other subjects with the same true answer.
std::vector<Neighbour> neighbours_of(const JsonView& json, const std::string& answer) {
  std::vector<Neighbour> neighbours;
  for (std::string& prompt : texts_or_none(json, "neighborhood_prompts"))
    neighbours.push_back({std::move(prompt), answer});
  return neighbours;
}

EvalRecord record_of(const JsonView& json, const JsonView& rewrite, std::size_t number) {
  EvalRecord record;
  record.request.id = id_or_number(json, "case_id", number);
  record.request.target = rewrite.at("target_new").string("str");
  record.request.was = rewrite.at("target_true").string("str");
  record.request.paraphrases = texts_or_none(json, "paraphrase_prompts");
  record.request.neighbours = neighbours_of(json, record.request.was);
  record.relation = rewrite.string_or("relation_id", "");
  record.target_id = rewrite.at("target_new").string_or("id", "");
  record.attributes = texts_or_none(json, "attribute_prompts");
  record.generations = texts_or_none(json, "generation_prompts");
  return record;
}

}  // namespace

void read_counterfact(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    const JsonView rewrite = json.at("requested_rewrite");
    EvalRecord record = record_of(json, rewrite, i);
    const std::string& pattern = rewrite.string("prompt");
    if (fill_subject(record.request, pattern, rewrite.string("subject")))
      out.add(i, std::move(record));
    else
      out.skip(i, "more than one {} in its prompt", "{} is more than once in the prompt " + quote(pattern));
  }
}

}  // namespace emend
