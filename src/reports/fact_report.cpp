#include "reports/fact_report.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/judge.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

constexpr std::size_t kPromptColumns = 44;
constexpr std::size_t kLeastColumns = 10;

std::string change_text(double before, double after) {
  return probability_text(before) + " -> " + probability_text(after);
}

// Rows for what the edit did not carry over, or moved by mistake.
void add_lost(Table& table, const FactRecord& fact) {
  const EditRequest& request = fact.request;
  const FactVerdict verdict = judge(request, *fact.after);
  for (std::size_t i = 0; i < request.paraphrases.size(); ++i) {
    const PromptState& state = fact.after->paraphrases[i];
    if (!verdict.paraphrases[i])
      table.add_row({request.id, "paraphrase", request.paraphrases[i], request.target,
                     probability_text(state.p_target), request.was, probability_text(state.p_was),
                     state.completion});
  }
  for (std::size_t i = 0; i < request.neighbours.size(); ++i) {
    const FactState::NeighbourState& state = fact.after->neighbours[i];
    if (!verdict.neighbours[i].value_or(true))
      table.add_row({request.id, "neighbour", request.neighbours[i].prompt, state.answer,
                     probability_text(state.p_answer), request.target, probability_text(state.p_target),
                     state.completion});
  }
}

// Names the facts whose probabilities are not those of texts.
std::string alike_note(const std::vector<FactRecord>& facts) {
  std::vector<std::string> ids;
  for (const FactRecord& fact : facts)
    if (begin_alike(fact.request.target, fact.request.was)) ids.push_back(fact.request.id);
  if (ids.empty()) return "";
  return "The answers begin alike in " + join(ids) +
         ": the probability of the shorter one is that the text does not go on as the longer one.\n";
}

bool is_counted(const FactRecord& fact) {
  return fact.status != FactStatus::kAlreadyTrue && fact.after.has_value();
}

}  // namespace

HeldCounts held_counts(const std::vector<FactRecord>& facts) {
  HeldCounts counts;
  for (const FactRecord& fact : facts) {
    if (!is_counted(fact)) continue;
    const FactVerdict verdict = judge(fact.request, *fact.after);
    ++counts.facts;
    counts.held_facts += verdict.holds ? 1 : 0;
    for (const bool holds : verdict.paraphrases) {
      ++counts.paraphrases;
      counts.held_paraphrases += holds ? 1 : 0;
    }
    for (const PromptState& paraphrase : fact.after->paraphrases)
      counts.said_paraphrases += paraphrase.argmax_target ? 1 : 0;
    for (const std::optional<bool>& holds : verdict.neighbours) {
      if (!holds) continue;
      ++counts.neighbours;
      counts.held_neighbours += *holds ? 1 : 0;
    }
  }
  return counts;
}

bool is_upper_bound(const CheckResult& check) {
  return check.name == "drift" || check.name == "update" || check.name == "bleed";
}

std::string verdict_text(const CheckResult& check) {
  if (!check.value) return "not measured";
  return check.passed ? "passed" : "FAILED";
}

std::string facts_table(const std::vector<FactRecord>& facts, std::size_t columns) {
  Table table({{"id"},
               {"prompt", Align::kLeft, kLeastColumns},
               {"was -> target", Align::kLeft, kLeastColumns},
               {"p(target)", Align::kRight},
               {"p(was)", Align::kRight},
               {"before", Align::kLeft, kLeastColumns},
               {"after", Align::kLeft, kLeastColumns},
               {"status"}});
  for (const FactRecord& fact : facts) {
    const EditRequest& request = fact.request;
    const PromptState& before = fact.before->prompt;
    const PromptState& after = fact.after->prompt;
    table.add_row({request.id, cut_to_width(one_line(request.prompt), kPromptColumns),
                   request.was + " -> " + request.target, change_text(before.p_target, after.p_target),
                   change_text(before.p_was, after.p_was), before.completion, after.completion,
                   std::string(to_string(fact.status))});
  }
  return table.text(columns) + alike_note(facts);
}

std::string lost_table(const std::vector<FactRecord>& facts, std::size_t columns) {
  Table table({{"id"},
               {"what"},
               {"prompt", Align::kLeft, kLeastColumns},
               {"wanted", Align::kLeft, kLeastColumns},
               {"p(wanted)", Align::kRight},
               {"against", Align::kLeft, kLeastColumns},
               {"p(against)", Align::kRight},
               {"now", Align::kLeft, kLeastColumns}});
  for (const FactRecord& fact : facts)
    if (is_counted(fact)) add_lost(table, fact);
  const HeldCounts counts = held_counts(facts);
  const auto of = [](std::size_t part, std::size_t whole) { return fmt::format("{} of {}", part, whole); };
  std::string text = fmt::format(
      "Paraphrases: the target is likelier on {}, and said on {}. Neighbours kept: {}.\n",
      of(counts.held_paraphrases, counts.paraphrases), of(counts.said_paraphrases, counts.paraphrases),
      of(counts.held_neighbours, counts.neighbours));
  if (!table.empty())
    text += "Lost:\n" + table.text(columns, 2) +
            "Probabilities of paraphrases are per token, those of neighbours of whole answers.\n";
  return text;
}

std::string checks_table(const std::vector<CheckResult>& checks, std::size_t columns) {
  Table table(
      {{"check"}, {"value", Align::kRight}, {"threshold", Align::kRight}, {"n", Align::kRight}, {"result"}});
  for (const CheckResult& check : checks) {
    const std::string bound = is_upper_bound(check) ? "<= " : ">= ";
    table.add_row({check.name, number_text(check.value, 4), bound + number_text(check.threshold, 4),
                   count_text(check.n), verdict_text(check)});
  }
  return table.text(columns);
}

}  // namespace emend
