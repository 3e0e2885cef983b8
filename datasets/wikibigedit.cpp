// Record form: WikiBigEdit (Thede et al. 2025, "WikiBigEdit: understanding the limits of lifelong knowledge
// editing in LLMs"), the files of its data card: one question of each kind a record, null where it has none.
#include <utility>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "datasets/readers.h"

namespace emend {
namespace {

// Adds the question under `key`, if it is there with an answer. Returns whether it is there without one.
bool add_question(const JsonView& json, const char* key, const char* answer_key,
                  std::vector<KindQuestion>& questions) {
  const std::string prompt = json.string_or(key, ""), answer = json.string_or(answer_key, "");
  if (trim(prompt).empty()) return false;
  if (trim(answer).empty()) return true;
  questions.push_back({key, prompt, answer});
  return false;
}

}  // namespace

void read_wikibigedit(const JsonRecords& records, Collector& out) {
  std::size_t unanswered = 0;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const JsonView json = records.at(i);
    EvalRecord record;
    record.request.id = id_or_number(json, "case_id", i);
    read_prompt_and_subject(record.request, json, "update");
    record.request.target = json.at("ans").is_null() ? "" : json.string("ans");
    if (trim(record.request.target).empty()) {
      out.skip(i, "no answer", "\"ans\" is empty");
      continue;
    }
    if (const std::string rephrase = json.string_or("rephrase", ""); !trim(rephrase).empty())
      record.request.paraphrases = {rephrase};
    unanswered += add_question(json, "loc", "loc_ans", record.locality) ? 1 : 0;
    unanswered += add_question(json, "mhop", "mhop_ans", record.portability) ? 1 : 0;
    add_question(json, "personas", "ans", record.portability);
    out.add(i, std::move(record));
  }
  out.note(
      "The answers are true; the present answer is not named. The keys of the set name the kinds: loc, mhop, "
      "personas.");
  if (unanswered > 0)
    out.note("Questions left out because their answer is empty: " + std::to_string(unanswered) + ".");
}

}  // namespace emend
