#include "pipeline/fact_questions.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "datasets/json_records.h"
#include "emend/error.h"
#include "emend/records.h"
#include "memories/prompt_words.h"

namespace emend {
namespace {

KnowledgeFact fact_of(const JsonView& record, std::size_t number) {
  KnowledgeFact fact;
  fact.id = fact_id(record, number);
  fact.prompt = std::string(trim_back(record.string("prompt")));
  if (fact.prompt.empty()) record.at("prompt").refuse("a text that is not empty");
  fact.answer = expected_answer(record);
  if (const auto paraphrases = record.find("paraphrases"))
    for (const JsonView& one : paraphrases->elements()) {
      fact.paraphrases.emplace_back(trim_back(one.as_string()));
      if (fact.paraphrases.back().empty()) one.refuse("a text that is not empty");
    }
  return fact;
}

std::vector<KnowledgeFact> facts_of_edits(const std::filesystem::path& path) {
  std::vector<KnowledgeFact> facts;
  const auto text_of = [&](const EditRequest& edit, const char* field, const std::string& text) {
    std::string trimmed(trim_back(text));
    if (trimmed.empty())
      throw Error(ErrorKind::kConfig,
                  fmt::format("{}: the fact {}: {} is empty", path.string(), quote(edit.id), field));
    return trimmed;
  };
  for (const EditRequest& edit : read_edit_file(path).edits) {
    facts.push_back({edit.id, text_of(edit, "prompt", edit.prompt), edit.was, {}});
    for (const std::string& other : edit.paraphrases)
      facts.back().paraphrases.push_back(text_of(edit, "a text of paraphrases", other));
  }
  return facts;
}

std::string name_of(const KnowledgeFact& fact) {
  return fmt::format("the fact {}", quote(fact.id));
}

// A space at the end of a prompt would stand in front of the answer's own.
KnowledgeFact asked_fact(const FactQuestions& questions) {
  KnowledgeFact fact{"prompt", std::string(trim_back(questions.prompt)), questions.answer, {}};
  for (const std::string& other : questions.paraphrases) {
    fact.paraphrases.emplace_back(trim_back(other));
    if (fact.paraphrases.back().empty())
      throw Error(ErrorKind::kUsage, "the option paraphrase is empty: leave it out, or give a text");
  }
  if (fact.prompt.empty()) throw Error(ErrorKind::kUsage, "the option prompt is empty");
  return fact;
}

}  // namespace

std::vector<KnowledgeFact> read_fact_questions(const FactQuestions& questions) {
  if (questions.facts.empty() == questions.prompt.empty())
    throw Error(ErrorKind::kUsage, "give either a prompt or a file of facts");
  if (questions.facts.empty()) return {asked_fact(questions)};
  if (!questions.answer.empty() || !questions.paraphrases.empty())
    throw Error(ErrorKind::kUsage,
                "the options answer and paraphrase go with a prompt, not with a file of facts");
  const std::string ending = questions.facts.extension().string();
  return ending == ".yaml" || ending == ".yml" ? facts_of_edits(questions.facts)
                                               : read_facts_with_ids(JsonRecords(questions.facts), fact_of);
}

std::vector<KnowledgeFact> known_facts(const Model& model, std::vector<KnowledgeFact> facts,
                                       const std::string& bos, std::int64_t limit, Progress& progress) {
  constexpr std::size_t kAtOnce = 64;  // prompts, each with numbers for all tokens
  std::vector<KnowledgeFact> known;
  std::size_t left_out = 0;
  const auto enough = [&] { return limit > 0 && static_cast<std::int64_t>(known.size()) == limit; };
  for (std::size_t begin = 0; begin < facts.size() && !enough(); begin += kAtOnce) {
    progress.poll();
    const std::size_t end = std::min(facts.size(), begin + kAtOnce);
    std::vector<TokenIds> prompts;
    for (std::size_t i = begin; i < end; ++i)
      prompts.push_back(ids_of_prompt(model, facts[i].prompt, bos, name_of(facts[i])));
    const auto next = next_tokens(model, prompts, 1);
    for (std::size_t i = begin; i < end && !enough(); ++i) {
      KnowledgeFact& fact = facts[i];
      const bool asks = fact.answer.empty();
      if (asks || first_token_of(model, fact.answer, name_of(fact)) == next[i - begin][0].id)
        known.push_back(std::move(fact));
      else
        ++left_out;
    }
  }
  if (known.empty())
    throw Error(ErrorKind::kConfig,
                fmt::format("the model answers none of the {} facts as expected", facts.size()));
  if (left_out > 0)
    progress.note(fmt::format("{} facts that the model does not answer as expected are left out.", left_out));
  return known;
}

}  // namespace emend
