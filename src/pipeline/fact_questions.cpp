#include "pipeline/fact_questions.h"

#include <fmt/format.h>

#include <set>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "emend/error.h"
#include "emend/records.h"
#include "memories/prompt_words.h"

namespace emend {
namespace {

KnowledgeFact fact_of(const JsonView& record, std::size_t number) {
  KnowledgeFact fact;
  fact.id = id_or_number(record, record.has("id") ? "id" : "known_id", number);
  fact.prompt = std::string(trim_back(record.string("prompt")));
  if (fact.prompt.empty()) record.at("prompt").refuse("a text that is not empty");
  for (const char* const key : {"answer", "attribute", "was"})
    if (const auto answer = record.find(key); answer && fact.answer.empty())
      fact.answer = std::string(trim(answer->as_string()));
  if (const auto paraphrases = record.find("paraphrases")) fact.paraphrases = paraphrases->as_strings();
  return fact;
}

std::vector<KnowledgeFact> facts_of_edits(const std::filesystem::path& path) {
  std::vector<KnowledgeFact> facts;
  for (const EditRequest& edit : read_edit_file(path).edits)
    facts.push_back({edit.id, edit.prompt, edit.was, edit.paraphrases});
  return facts;
}

std::vector<KnowledgeFact> facts_of_records(const std::filesystem::path& path) {
  const JsonRecords records(path);
  std::vector<KnowledgeFact> facts;
  std::set<std::string> ids;
  for (std::size_t i = 0; i < records.size(); ++i) {
    facts.push_back(fact_of(records.at(i), i));
    if (!ids.insert(facts.back().id).second)
      throw Error(ErrorKind::kConfig, fmt::format("{}: the id {} was met before", records.at(i).source(),
                                                  quote(facts.back().id)));
  }
  if (facts.empty()) throw Error(ErrorKind::kConfig, path.string() + ": there are no facts in it");
  return facts;
}

}  // namespace

std::vector<KnowledgeFact> read_fact_questions(const FactQuestions& questions) {
  if (questions.facts.empty() == questions.prompt.empty())
    throw Error(ErrorKind::kUsage, "give either a prompt or a file of facts");
  if (questions.facts.empty()) return {{"prompt", questions.prompt, questions.answer, questions.paraphrases}};
  if (!questions.answer.empty() || !questions.paraphrases.empty())
    throw Error(ErrorKind::kUsage,
                "the options answer and paraphrase go with a prompt, not with a file of facts");
  const std::string ending = questions.facts.extension().string();
  return ending == ".yaml" || ending == ".yml" ? facts_of_edits(questions.facts)
                                               : facts_of_records(questions.facts);
}

std::vector<KnowledgeFact> known_facts(const Model& model, std::vector<KnowledgeFact> facts,
                                       const std::string& bos, std::int64_t limit, Progress& progress) {
  std::vector<KnowledgeFact> known;
  std::size_t left_out = 0;
  for (KnowledgeFact& fact : facts) {
    if (limit > 0 && static_cast<std::int64_t>(known.size()) == limit) break;
    const std::string what = fmt::format("the fact {}", quote(fact.id));
    const TokenIds ids = ids_of_prompt(model, fact.prompt, bos, what);
    if (!fact.answer.empty() && first_token_of(model, fact.answer, what) != likeliest_token(model, ids))
      ++left_out;
    else
      known.push_back(std::move(fact));
  }
  if (known.empty())
    throw Error(ErrorKind::kConfig,
                fmt::format("the model answers none of the {} facts as expected", facts.size()));
  if (left_out > 0)
    progress.note(fmt::format("{} facts that the model does not answer as expected are left out.", left_out));
  return known;
}

}  // namespace emend
