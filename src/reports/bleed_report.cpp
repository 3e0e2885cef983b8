#include "reports/bleed_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/strings.h"
#include "measure/other_subjects.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/page.h"

namespace emend {
namespace {

using OtherSubjectState = FactState::OtherSubjectState;

constexpr std::size_t kShownSubjects = 10, kShownKeys = 40;
constexpr std::size_t kLeastColumns = 10;
constexpr double kMoved = 0.005;  // a change of a probability that is worth a line

// One other subject with its states, for a table.
struct Row {
  const FactRecord* fact;
  const OtherSubjectState *before, *after;

  double rise() const { return after->p_target - before->p_target; }
  double fall() const { return before->p_answer - after->p_answer; }
};

// Those that moved most first.
std::vector<Row> rows_of(const std::vector<FactRecord>& facts) {
  std::vector<Row> rows;
  for (const FactRecord& fact : facts) {
    if (!fact.before || !fact.after || fact.status == FactStatus::kAlreadyTrue) continue;
    for (std::size_t i = 0; i < std::min(fact.before->bleed.size(), fact.after->bleed.size()); ++i)
      rows.push_back({&fact, &fact.before->bleed[i], &fact.after->bleed[i]});
  }
  std::ranges::stable_sort(rows, [](const Row& a, const Row& b) { return a.rise() > b.rise(); });
  return rows;
}

std::string change_text(double before, double after) {
  return probability_text(before) + " -> " + probability_text(after);
}

const char* mark_of(const Row& row) {
  return row.before->argmax_answer ? "" : "*";
}

std::string place_text(const SubjectBleed& bleed) {
  return bleed.id + " at " + bleed.subject;
}

std::string summary_text(const BleedSummary& summary) {
  std::string text =
      fmt::format("Bleed: p(target) rises by {} on average at {} other {}", probability_text(summary.mean),
                  count_text(summary.n), summary.n == 1 ? "subject" : "subjects");
  text += fmt::format(", at most by {} ({}).", probability_text(std::max(summary.worst, 0.0)),
                      place_text(*summary.worst_at));
  if (summary.worst_fall_at != nullptr)
    text += fmt::format(
        " Their own answers fall by {} on average, at most by {} ({}).", probability_text(summary.mean_fall),
        probability_text(std::max(summary.worst_fall, 0.0)), place_text(*summary.worst_fall_at));
  if (summary.unknown > 0)
    text += fmt::format(
        " The unedited model does not give the answer of {}, marked *: their own answers show "
        "nothing.",
        count_text(summary.unknown));
  return text + "\n";
}

// Every protected key with its fact, the dearest first.
std::vector<std::pair<const FactRecord*, const ProtectedKey*>> keys_of(const Edit& edit) {
  std::vector<std::pair<const FactRecord*, const ProtectedKey*>> keys;
  for (const FactRecord& fact : edit.facts)
    for (const FactPart& part : fact.parts)
      for (const ProtectedKey& key : part.protected_keys) keys.emplace_back(&fact, &key);
  std::ranges::stable_sort(keys,
                           [](const auto& a, const auto& b) { return a.second->norm > b.second->norm; });
  return keys;
}

std::string conditions_text(const Edit& edit) {
  std::vector<std::string> texts;
  for (const WeightSolve& solve : edit.solves)
    if (solve.protected_keys > 0)
      texts.push_back(fmt::format("layer {}: {} keys of other subjects, condition of all keys {}",
                                  solve.weight.block, count_text(solve.protected_keys),
                                  number_text(solve.key_condition)));
  return join(texts, "; ");
}

bool says_answer(const FactState::NeighbourState& before) {
  return before.answer.empty() || trim(before.completion).starts_with(before.answer);
}

}  // namespace

std::string bleed_text(const std::vector<FactRecord>& facts, std::size_t columns) {
  const std::vector<SubjectBleed> bleeds = bleed_of(facts);
  if (bleeds.empty()) return "";
  Table table({{"id"},
               {"other subject", Align::kLeft, kLeastColumns},
               {"its answer", Align::kLeft, kLeastColumns},
               {"p(answer)", Align::kRight},
               {"p(target)", Align::kRight},
               {"now", Align::kLeft, kLeastColumns}});
  std::size_t moved = 0;
  for (const Row& row : rows_of(facts)) {
    if (!(std::abs(row.rise()) < kMoved) || !(std::abs(row.fall()) < kMoved))
      ++moved;
    else
      continue;
    if (moved <= kShownSubjects)
      table.add_row({row.fact->request.id, row.after->subject, row.after->answer + mark_of(row),
                     change_text(row.before->p_answer, row.after->p_answer),
                     change_text(row.before->p_target, row.after->p_target), row.after->completion});
  }
  std::string text = summary_text(summarise(bleeds));
  if (!table.empty()) text += table.text(columns, 2);
  if (moved > kShownSubjects)
    text += fmt::format("  and {} more\n", count_text(static_cast<std::int64_t>(moved - kShownSubjects)));
  return text;
}

std::string protection_text(const Edit& edit, std::size_t columns) {
  const auto keys = keys_of(edit);
  if (keys.empty()) return "";
  Table table({{"id"},
               {"protected", Align::kLeft, kLeastColumns},
               {"cosine", Align::kRight},
               {"share without", Align::kRight},
               {"norm", Align::kRight}});
  for (std::size_t i = 0; i < std::min(keys.size(), kShownKeys); ++i)
    table.add_row({keys[i].first->request.id, keys[i].second->subject, number_text(keys[i].second->cosine),
                   number_text(keys[i].second->response), number_text(keys[i].second->norm)});
  std::string text = "Protected subjects: " + conditions_text(edit) +
                     ". Without protection they would get this share of the change; norm: of the update with "
                     "this one alone protected, over that without.\n" +
                     table.text(columns, 2);
  if (keys.size() > kShownKeys)
    text += fmt::format("  and {} more that cost less\n",
                        count_text(static_cast<std::int64_t>(keys.size() - kShownKeys)));
  return text;
}

std::string unknown_neighbours_text(const std::vector<FactRecord>& facts) {
  std::vector<std::string> told;
  std::size_t all = 0;
  for (const FactRecord& fact : facts) {
    if (!fact.before || fact.status == FactStatus::kAlreadyTrue) continue;
    for (std::size_t i = 0; i < fact.before->neighbours.size(); ++i) {
      if (says_answer(fact.before->neighbours[i])) continue;
      ++all;
      if (told.size() < 3)
        told.push_back(fact.request.id + ": " + quote(fact.request.neighbours[i].prompt, 60));
    }
  }
  if (all == 0) return "";
  return fmt::format(
      "The unedited model itself does not say the answer of {} {} ({}{}): that they are kept "
      "shows little.\n",
      count_text(static_cast<std::int64_t>(all)), all == 1 ? "neighbour" : "neighbours", join(told, "; "),
      all > told.size() ? "; ..." : "");
}

std::string other_subject_neighbours_text(const std::vector<FactRecord>& facts) {
  std::size_t all = 0;
  std::string first;
  for (const FactRecord& fact : facts) {
    const EditRequest& request = fact.request;
    if (fact.status == FactStatus::kAlreadyTrue || !request.bleed.empty()) continue;
    for (const Neighbour& neighbour : request.neighbours) {
      if (neighbour.answer == request.was || subject_in_place(request, neighbour.prompt).empty()) continue;
      if (++all == 1) first = request.id + ": " + quote(neighbour.prompt, 60);
    }
  }
  if (all == 0) return "";
  return fmt::format(
      "{} {} an edit's own prompt about another subject with another answer ({}{}): kept says that this "
      "answer "
      "stays likelier than the target, not how near the target came; that is measured for subjects under "
      "`bleed`.\n",
      count_text(static_cast<std::int64_t>(all)), all == 1 ? "neighbour is" : "neighbours are", first,
      all > 1 ? "; ..." : "");
}

ResultJson bleed_json(const std::vector<FactRecord>& facts) {
  const std::vector<SubjectBleed> bleeds = bleed_of(facts);
  if (bleeds.empty()) return nullptr;
  const BleedSummary summary = summarise(bleeds);
  const auto place = [](const SubjectBleed* at) {
    return at == nullptr ? ResultJson(nullptr) : ResultJson{{"id", at->id}, {"subject", at->subject}};
  };
  return {{"mean", summary.mean},
          {"worst", std::isfinite(summary.worst) ? ResultJson(summary.worst) : ResultJson(nullptr)},
          {"worst_at", place(summary.worst_at)},
          {"mean_fall", summary.mean_fall},
          {"worst_fall", summary.worst_fall},
          {"worst_fall_at", place(summary.worst_fall_at)},
          {"n", summary.n},
          {"unknown", summary.unknown}};
}

std::string bleed_html(const std::vector<FactRecord>& facts) {
  const std::vector<SubjectBleed> bleeds = bleed_of(facts);
  if (bleeds.empty()) return "";
  PageTable table{"Other subjects",
                  summary_text(summarise(bleeds)),
                  {{"edit", true},
                   {"other subject", true},
                   {"its answer", true},
                   {"p(answer) before"},
                   {"after"},
                   {"p(target) before"},
                   {"after"},
                   {"answer before", true},
                   {"answer after", true}},
                  {}};
  for (const Row& row : rows_of(facts))
    table.rows.push_back({{row.fact->request.id},
                          {row.after->subject},
                          {row.after->answer + mark_of(row)},
                          {probability_text(row.before->p_answer)},
                          {probability_text(row.after->p_answer)},
                          {probability_text(row.before->p_target)},
                          {probability_text(row.after->p_target)},
                          {row.before->completion, "model-text"},
                          {row.after->completion, "model-text"}});
  return table_html(table);
}

std::string protection_html(const Edit& edit) {
  const auto keys = keys_of(edit);
  if (keys.empty()) return "";
  PageTable table{
      "Protected subjects",
      "Subjects whose keys the edit leaves as they are (" + conditions_text(edit) +
          "): the share of the change that they would get without, and the norm of the update with "
          "this one alone protected, over that without.",
      {{"edit", true}, {"protected", true}, {"cosine"}, {"share without"}, {"norm"}},
      {}};
  for (const auto& [fact, key] : keys)
    table.rows.push_back({{fact->request.id},
                          {key->subject},
                          {number_text(key->cosine)},
                          {number_text(key->response)},
                          {number_text(key->norm)}});
  return table_html(table);
}

}  // namespace emend
