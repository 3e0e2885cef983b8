// Record form: known_1000.json of kmeng01/rome (dsets/knowns.py): facts that GPT-2 XL knows. They were made
// for tracing and name no new target.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "datasets/fact_pool.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"

namespace emend {
namespace {

using AnswersByRelation = std::map<std::string, std::set<std::string>>;

std::string answer_of(const JsonView& json) {
  return std::string(trim(json.string("attribute")));
}

AnswersByRelation answers_by_relation(const JsonRecords& records) {
  AnswersByRelation answers;
  for (std::size_t i = 0; i < records.size(); ++i)
    answers[records.at(i).string("relation_id")].insert(answer_of(records.at(i)));
  return answers;
}

// The other answer of the relation whose hash with the record's id is the smallest; empty when there is none.
std::string counterfactual(const std::set<std::string>& answers, const std::string& own,
                           const std::string& id) {
  std::string chosen;
  std::string least;
  for (const std::string& answer : answers) {
    if (answer == own || answer.empty()) continue;
    const std::string hash = draw_hash(id, answer);
    if (!least.empty() && hash > least) continue;
    chosen = answer;
    least = hash;
  }
  return chosen;
}

EvalRecord record_of(const JsonView& json, std::size_t number) {
  EvalRecord record;
  record.request.id = id_or_number(json, "known_id", number);
  read_prompt_and_subject(record.request, json, "prompt");
  record.request.was = answer_of(json);
  record.relation = json.string("relation_id");
  return record;
}

}  // namespace

void read_known(const JsonRecords& records, Collector& out) {
  const AnswersByRelation answers = answers_by_relation(records);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EvalRecord record = record_of(records.at(i), i);
    record.request.target =
        counterfactual(answers.at(record.relation), record.request.was, record.request.id);
    if (record.request.target.empty())
      out.skip(i, "no other answer in its relation",
               fmt::format("no other record of the relation {} has another answer", quote(record.relation)));
    else
      out.add(i, std::move(record));
  }
  std::vector<std::string> groups;
  std::transform(out.records().begin(), out.records().end(), std::back_inserter(groups),
                 [](const EvalRecord& record) { return record.relation; });
  derive_questions(out.records(), groups, pool_of(out.records(), groups));
  out.note(
      "The set names no targets: each is another answer of the same relation, drawn by the hash of the id.");
  out.note(
      "Neighbours: up to 10 facts of the same relation and present answer about another subject, drawn by "
      "hash.");
  out.note(
      "Derived neighbours may be edits of other records: applied together, one record can change what "
      "another one "
      "protects.");
  out.note(
      "Attribute prompts: up to 10 facts of the same relation whose answer is the target. There are no "
      "paraphrases.");
}

}  // namespace emend
