#include "emend/bleed.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string_view>

namespace emend {
namespace {

using OtherSubjectState = FactState::OtherSubjectState;

// What is edited itself cannot show that an edit of something else took its answer away.
class EditedPrompts {
 public:
  void add(const EditRequest& request) { prompts_.insert(request.prompt); }
  bool holds(const EditRequest& request, const std::string& subject) const {
    return prompts_.contains(prompt_about(request, subject));
  }

 private:
  std::set<std::string> prompts_;
};

void add_subjects(const EditRequest& request, const FactState& before, const FactState& after,
                  const EditedPrompts& edited, std::vector<SubjectBleed>& bleeds) {
  for (std::size_t i = 0; i < std::min(before.bleed.size(), after.bleed.size()); ++i) {
    const OtherSubjectState &was = before.bleed[i], &is = after.bleed[i];
    SubjectBleed bleed;
    bleed.id = request.id;
    bleed.subject = is.subject;
    bleed.answer = is.answer;
    bleed.rise = is.p_target - was.p_target;
    bleed.answers = was.argmax_answer;
    if (was.argmax_answer && !edited.holds(request, is.subject)) bleed.fall = was.p_answer - is.p_answer;
    bleed.completion = is.completion;
    bleeds.push_back(std::move(bleed));
  }
}

// The larger of two, where what is not a number is the largest of all.
bool is_worse(double value, double than) {
  return std::isnan(value) ? !std::isnan(than) : value > than;
}

// A mean of what is above 0, and the largest with its place.
struct Worst {
  double sum = 0, worst = 0;
  std::int64_t n = 0;
  const SubjectBleed* at = nullptr;

  void add(double value, const SubjectBleed& bleed) {
    sum += std::isnan(value) ? value : std::max(value, 0.0);
    ++n;
    if (at != nullptr && !is_worse(value, worst)) return;
    worst = value;
    at = &bleed;
  }
  double mean() const { return n == 0 ? 0 : sum / static_cast<double>(n); }
};

}  // namespace

std::vector<SubjectBleed> bleed_of(const std::vector<FactRecord>& facts) {
  EditedPrompts edited;
  for (const FactRecord& fact : facts)
    if (fact.is_edited()) edited.add(fact.request);
  std::vector<SubjectBleed> bleeds;
  for (const FactRecord& fact : facts)
    if (fact.before && fact.after && fact.status != FactStatus::kAlreadyTrue)
      add_subjects(fact.request, *fact.before, *fact.after, edited, bleeds);
  return bleeds;
}

BleedSummary summarise(const std::vector<SubjectBleed>& bleeds) {
  Worst rise, fall;
  BleedSummary summary;
  for (const SubjectBleed& bleed : bleeds) {
    rise.add(bleed.rise, bleed);
    if (bleed.fall) fall.add(*bleed.fall, bleed);
    if (!bleed.answers) ++summary.unknown;
  }
  summary.n = rise.n;
  summary.mean = rise.mean();
  summary.worst = rise.worst;
  summary.worst_at = rise.at;
  summary.mean_fall = fall.mean();
  summary.worst_fall = fall.worst;
  summary.worst_fall_at = fall.at;
  return summary;
}

std::optional<CheckResult> check_bleed(const std::vector<EditRequest>& requests,
                                       const std::vector<FactState>& before,
                                       const std::vector<FactState>& after, const std::vector<bool>& skipped,
                                       double threshold) {
  const auto names_others = [](const EditRequest& request) { return !request.bleed.empty(); };
  if (std::ranges::none_of(requests, names_others)) return std::nullopt;
  std::vector<SubjectBleed> bleeds;
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i)
    if (i >= skipped.size() || !skipped[i]) add_subjects(requests[i], before[i], after[i], {}, bleeds);
  CheckResult check{"bleed", std::nullopt, threshold, false, static_cast<std::int64_t>(bleeds.size())};
  if (bleeds.empty()) return check;
  check.value = summarise(bleeds).worst;
  check.passed = *check.value <= threshold;
  return check;
}

}  // namespace emend
