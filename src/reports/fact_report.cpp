#include "reports/fact_report.h"

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

std::string verdict(const CheckResult& check) {
  if (!check.value) return "not measured";
  return check.passed ? "passed" : "FAILED";
}

// Counts and lists what the edit did not carry over, or moved by mistake.
struct Losses {
  std::size_t paraphrases = 0, kept_paraphrases = 0;
  std::size_t neighbours = 0, kept_neighbours = 0;
  Table table{{{"id"},
               {"what"},
               {"prompt", Align::kLeft, kLeastColumns},
               {"wanted", Align::kLeft, kLeastColumns},
               {"p(wanted)", Align::kRight},
               {"p(other)", Align::kRight},
               {"now", Align::kLeft, kLeastColumns}}};

  // What the checks count: no facts that were true already.
  void count(const FactRecord& fact) {
    if (fact.status == FactStatus::kAlreadyTrue) return;
    const EditRequest& request = fact.request;
    const FactVerdict verdict = judge(request, *fact.after);
    for (std::size_t i = 0; i < request.paraphrases.size(); ++i) {
      const PromptState& state = fact.after->paraphrases[i];
      ++paraphrases;
      if (verdict.paraphrases[i]) {
        ++kept_paraphrases;
        continue;
      }
      table.add_row({request.id, "paraphrase", request.paraphrases[i], request.target,
                     probability_text(state.p_target), probability_text(state.p_was), state.completion});
    }
    for (std::size_t i = 0; i < request.neighbours.size(); ++i) {
      const FactState::NeighbourState& state = fact.after->neighbours[i];
      if (!verdict.neighbours[i]) continue;
      ++neighbours;
      if (*verdict.neighbours[i]) {
        ++kept_neighbours;
        continue;
      }
      table.add_row({request.id, "neighbour", request.neighbours[i].prompt, state.answer,
                     probability_text(state.p_answer), probability_text(state.p_target), state.completion});
    }
  }
};

}  // namespace

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
  return table.text(columns);
}

std::string lost_table(const std::vector<FactRecord>& facts, std::size_t columns) {
  Losses losses;
  for (const FactRecord& fact : facts) losses.count(fact);
  std::string text = "Paraphrases that answer with the target: " + std::to_string(losses.kept_paraphrases) +
                     " of " + std::to_string(losses.paraphrases) +
                     ". Neighbours kept: " + std::to_string(losses.kept_neighbours) + " of " +
                     std::to_string(losses.neighbours) + ".\n";
  if (!losses.table.empty()) text += "Lost:\n" + losses.table.text(columns, 2);
  return text;
}

std::string checks_table(const std::vector<CheckResult>& checks, std::size_t columns) {
  Table table(
      {{"check"}, {"value", Align::kRight}, {"threshold", Align::kRight}, {"n", Align::kRight}, {"result"}});
  for (const CheckResult& check : checks) {
    const std::string bound = check.name == "drift" || check.name == "update" ? "<= " : ">= ";
    table.add_row({check.name, number_text(check.value, 4), bound + number_text(check.threshold, 4),
                   count_text(check.n), verdict(check)});
  }
  return table.text(columns);
}

}  // namespace emend
