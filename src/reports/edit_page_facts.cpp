#include "reports/edit_page_facts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "emend/judge.h"
#include "report/numbers.h"
#include "reports/edit_report.h"
#include "reports/fact_report.h"
#include "reports/page.h"

namespace emend {
namespace {

using Data = nlohmann::ordered_json;
using Facts = std::vector<FactRecord>;

PageCell verdict_cell(bool holds) {
  return {holds ? "yes" : "no", holds ? "good" : "bad"};
}

PageCell status_cell(const FactRecord& fact) {
  return {std::string(to_string(fact.status)), fact.status == FactStatus::kFailed ? "bad" : ""};
}

// The prompts of one fact with the answer that is wanted and the one that must not win.
std::string answers_table(const FactRecord& fact, const FactVerdict& verdict) {
  const EditRequest& request = fact.request;
  PageTable table{"Answers of " + request.id,
                  "",
                  {{"prompt", true},
                   {"wanted", true},
                   {"p(wanted) before"},
                   {"after"},
                   {"p(other) before"},
                   {"after"},
                   {"answer before", true},
                   {"answer after", true},
                   {"holds"}},
                  {}};
  const auto add_prompt = [&](const std::string& prompt, const PromptState& before, const PromptState& after,
                              bool holds) {
    table.rows.push_back({{prompt},
                          {request.target},
                          {probability_text(before.p_target)},
                          {probability_text(after.p_target)},
                          {probability_text(before.p_was)},
                          {probability_text(after.p_was)},
                          {before.completion, "model-text"},
                          {after.completion, "model-text"},
                          verdict_cell(holds)});
  };
  table.rows.push_back({{"edited prompt"}});
  add_prompt(request.prompt, fact.before->prompt, fact.after->prompt, verdict.holds);
  if (!request.paraphrases.empty()) table.rows.push_back({{"paraphrases"}});
  for (std::size_t i = 0; i < request.paraphrases.size(); ++i)
    add_prompt(request.paraphrases[i], fact.before->paraphrases[i], fact.after->paraphrases[i],
               verdict.paraphrases[i]);
  if (!request.neighbours.empty()) table.rows.push_back({{"neighbours"}});
  for (std::size_t i = 0; i < request.neighbours.size(); ++i) {
    const FactState::NeighbourState& before = fact.before->neighbours[i];
    const FactState::NeighbourState& after = fact.after->neighbours[i];
    table.rows.push_back({{request.neighbours[i].prompt},
                          {after.answer},
                          {probability_text(before.p_answer)},
                          {probability_text(after.p_answer)},
                          {probability_text(before.p_target)},
                          {probability_text(after.p_target)},
                          {before.completion, "model-text"},
                          {after.completion, "model-text"},
                          verdict.neighbours[i] ? verdict_cell(*verdict.neighbours[i]) : PageCell{"-"}});
  }
  return table_html(table);
}

// "the fact, 1 of 2 paraphrases": what does not hold; empty if all does.
std::string lost_text(const FactRecord& fact, const FactVerdict& verdict) {
  const HeldCounts counts = held_counts({fact});
  std::vector<std::string> lost;
  if (!verdict.holds) lost.emplace_back("the fact");
  if (counts.held_paraphrases < counts.paraphrases)
    lost.push_back(
        part_text(counts.paraphrases - counts.held_paraphrases, counts.paraphrases, "paraphrases"));
  if (counts.held_neighbours < counts.neighbours)
    lost.push_back(part_text(counts.neighbours - counts.held_neighbours, counts.neighbours, "neighbours"));
  return lost.empty() ? "" : "does not hold: " + join(lost);
}

struct MeasuredFact {
  const FactRecord* fact = nullptr;
  FactVerdict verdict;
  std::string lost;
};

// Facts that were measured before and after and are not true already; those that do not hold come first.
std::vector<MeasuredFact> measured_facts(const Facts& facts) {
  std::vector<MeasuredFact> measured;
  for (const FactRecord& fact : facts) {
    if (!fact.before || !fact.after || fact.status == FactStatus::kAlreadyTrue) continue;
    const FactVerdict verdict = judge(fact.request, *fact.after);
    measured.push_back({&fact, verdict, lost_text(fact, verdict)});
  }
  std::stable_partition(measured.begin(), measured.end(),
                        [](const MeasuredFact& fact) { return !fact.lost.empty(); });
  return measured;
}

}  // namespace

std::string part_text(std::size_t part, std::size_t all, const std::string& what) {
  return fmt::format("{} of {} {}", count_text(static_cast<std::int64_t>(part)),
                     count_text(static_cast<std::int64_t>(all)), what);
}

std::string facts_table(const Facts& facts) {
  PageTable table{"Facts",
                  "",
                  {{"id", true},
                   {"prompt", true},
                   {"was", true},
                   {"target", true},
                   {"p(target) before"},
                   {"after"},
                   {"p(was) before"},
                   {"after"},
                   {"answer before", true},
                   {"answer after", true},
                   {"status"},
                   {"holds"}},
                  {}};
  for (const FactRecord& fact : facts) {
    const EditRequest& request = fact.request;
    const PromptState nothing{NAN, NAN, false, "-"};
    const PromptState& before = fact.before ? fact.before->prompt : nothing;
    const PromptState& after = fact.after ? fact.after->prompt : nothing;
    table.rows.push_back({{request.id},
                          {request.prompt},
                          {request.was},
                          {request.target},
                          {probability_text(before.p_target)},
                          {probability_text(after.p_target)},
                          {probability_text(before.p_was)},
                          {probability_text(after.p_was)},
                          {before.completion, "model-text"},
                          {after.completion, "model-text"},
                          status_cell(fact),
                          fact.after ? verdict_cell(judge(request, *fact.after).holds) : PageCell{"-"}});
  }
  return table_html(table);
}

FactAnswers fact_answers(const Facts& facts, std::size_t most) {
  const std::vector<MeasuredFact> measured = measured_facts(facts);
  FactAnswers answers;
  answers.measured = measured.size();
  for (std::size_t i = 0; i < std::min(measured.size(), most); ++i) {
    const MeasuredFact& fact = measured[i];
    const EditRequest& request = fact.fact->request;
    answers.shown.push_back({{"open", i == 0},
                             {"id", request.id},
                             {"prompt", request.prompt},
                             {"target", request.target},
                             {"lost", fact.lost.empty() ? Data(false) : Data(fact.lost)},
                             {"table", answers_table(*fact.fact, fact.verdict)}});
  }
  return answers;
}

}  // namespace emend
