#include "reports/blame.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "emend/bleed.h"
#include "emend/judge.h"
#include "report/numbers.h"

namespace emend {
namespace {

// How many of the things that a check counts one edit has, and how many of them are lost.
struct Losses {
  std::string id;
  std::size_t lost = 0, all = 0;
};

Losses losses_of(const FactRecord& fact, const std::string& check) {
  Losses losses{fact.request.id, 0, 0};
  const auto count = [&](bool held) {
    ++losses.all;
    losses.lost += held ? 0 : 1;
  };
  const FactVerdict verdict = judge(fact.request, *fact.after);
  if (check == "efficacy") count(verdict.holds);
  if (check == "paraphrase")
    for (const bool holds : verdict.paraphrases) count(holds);
  if (check == "said")
    for (const PromptState& state : fact.after->paraphrases) count(state.argmax_target);
  if (check == "neighbourhood")
    for (const std::optional<bool>& kept : verdict.neighbours)
      if (kept) count(*kept);
  return losses;
}

std::string worst_text(const Losses& worst, const std::string& check) {
  if (check == "efficacy") return "it does not hold";
  const bool one = worst.lost == 1;
  const std::string share = fmt::format("{} of its {} ", worst.lost, worst.all);
  if (check == "neighbourhood") return share + (one ? "neighbours is lost" : "neighbours are lost");
  if (check == "said")
    return share + (one ? "paraphrases is" : "paraphrases are") + " not answered with the target";
  return share + (one ? "paraphrases does not hold" : "paraphrases do not hold");
}

// Of a check that is a share of what the edits have.
Blame blame_for_share(const std::vector<const FactRecord*>& facts, const CheckResult& check) {
  std::vector<Losses> edits;
  std::size_t lost = 0, all = 0;
  for (const FactRecord* fact : facts) {
    edits.push_back(losses_of(*fact, check.name));
    lost += edits.back().lost;
    all += edits.back().all;
  }
  std::stable_sort(edits.begin(), edits.end(),
                   [](const Losses& a, const Losses& b) { return a.lost > b.lost; });
  Blame blame{check.name, {}, "", false};
  const auto passes = [&] {
    return all > 0 && static_cast<double>(all - lost) / static_cast<double>(all) >= check.threshold;
  };
  for (const Losses& edit : edits) {
    if (edit.lost == 0 || passes()) break;
    if (blame.ids.empty()) blame.worst = worst_text(edit, check.name);
    blame.ids.push_back(edit.id);
    lost -= edit.lost;
    all -= edit.all;
  }
  blame.leaves_any = blame.ids.size() < facts.size();
  return blame;
}

Blame blame_for_drift(const std::vector<const FactRecord*>& facts) {
  Blame blame{"drift", {}, "", facts.size() > 1};
  const auto largest = std::max_element(
      facts.begin(), facts.end(),
      [](const FactRecord* a, const FactRecord* b) { return a->relative_norm() < b->relative_norm(); });
  if (largest == facts.end()) return blame;
  blame.ids = {(*largest)->request.id};
  blame.worst = fmt::format("its update is the largest: {} of the weight's norm",
                            percent_text((*largest)->relative_norm()));
  return blame;
}

Blame blame_for_bleed(const std::vector<FactRecord>& facts, std::size_t counted) {
  const std::vector<SubjectBleed> bleeds = bleed_of(facts);
  const BleedSummary summary = summarise(bleeds);
  Blame blame{"bleed", {}, "", counted > 1};
  if (summary.worst_at == nullptr) return blame;
  blame.ids = {summary.worst_at->id};
  blame.worst = "it reaches \"" + summary.worst_at->subject + "\" most";
  return blame;
}

}  // namespace

std::vector<Blame> blame_of(const std::vector<FactRecord>& facts, const std::vector<CheckResult>& checks) {
  std::vector<const FactRecord*> counted;
  for (const FactRecord& fact : facts)
    if (fact.is_edited() && fact.after) counted.push_back(&fact);
  std::vector<Blame> blames;
  for (const CheckResult& check : checks) {
    if (!check.value || check.passed) continue;
    Blame blame = check.name == "drift"   ? blame_for_drift(counted)
                  : check.name == "bleed" ? blame_for_bleed(facts, counted.size())
                                          : blame_for_share(counted, check);
    if (!blame.ids.empty()) blames.push_back(std::move(blame));
  }
  return blames;
}

}  // namespace emend
