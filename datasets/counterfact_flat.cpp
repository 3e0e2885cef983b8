// Record form: zjunlp/EasyEdit, easyeditor/dataset/counterfact.py. This form lost the relation, nine of ten
// neighbours, and the attribute and generation prompts.
#include <algorithm>
#include <iterator>
#include <utility>

#include "datasets/fact_pool.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"
#include "datasets/subject_place.h"

namespace emend {
namespace {

EvalRecord record_of(const JsonView& json, std::size_t number) {
  EvalRecord record;
  record.request.id = id_or_number(json, "case_id", number);
  read_prompt_and_subject(record.request, json, "prompt");
  record.request.target = json.string("target_new");
  record.request.was = json.string("ground_truth");
  if (const auto rephrase = json.find("rephrase_prompt"))
    record.request.paraphrases = {rephrase->as_string()};
  if (const auto locality = json.find("locality_prompt"))
    record.request.neighbours = {{locality->as_string(), json.string("locality_ground_truth")}};
  return record;
}

// Given neighbours whose wording is a template of the set are facts of its group, too.
void add_given_neighbours(FactPool& pool, const std::vector<EvalRecord>& records,
                          const std::vector<std::string>& groups) {
  const TemplateSet templates(groups);
  for (const EvalRecord& record : records)
    for (const Neighbour& given : record.request.neighbours)
      if (const auto match = templates.match(given.prompt))
        pool.add({match->pattern, match->subject, given.prompt, given.answer, false});
}

}  // namespace

void read_counterfact_flat(const JsonRecords& records, Collector& out) {
  for (std::size_t i = 0; i < records.size(); ++i) out.add(i, record_of(records.at(i), i));
  std::vector<std::string> groups;
  std::transform(out.records().begin(), out.records().end(), std::back_inserter(groups),
                 [](const EvalRecord& record) { return prompt_template(record.request); });
  FactPool pool = pool_of(out.records(), groups);
  add_given_neighbours(pool, out.records(), groups);
  derive_questions(out.records(), groups, pool);
  out.note(
      "Neighbours: the given one, then up to 10 facts of this file with the same wording and present answer "
      "about another subject, first those that no record edits, drawn by hash.");
  out.note(
      "Derived neighbours may be edits of other records: applied together, one record can change what "
      "another "
      "one protects.");
  out.note(
      "Attribute prompts: up to 10 facts of this file with the same wording whose answer is the target.");
  out.note(
      "The flat form names no relations and has no generation prompts: fluency and consistency are not "
      "measured.");
}

}  // namespace emend
