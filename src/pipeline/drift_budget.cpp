#include "pipeline/drift_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "report/numbers.h"

namespace emend {
namespace {

std::size_t first_batch(const DriftBudget& budget, std::size_t requests) {
  constexpr std::size_t kMost = 100, kBatches = 10;
  if (budget.batch > 0) return static_cast<std::size_t>(budget.batch);
  return std::clamp<std::size_t>((requests + kBatches - 1) / kBatches, 1, kMost);
}

double measured(const DriftBudget& budget, const Drift& drift) {
  return budget.measure == DriftBudget::Measure::kKl ? drift.kl : drift.perplexity;
}

// The edit with all its facts in one list, as the next batch takes it as the earlier one.
Edit folded(Edit edit) {
  edit.facts.insert(edit.facts.begin(), std::make_move_iterator(edit.carried.begin()),
                    std::make_move_iterator(edit.carried.end()));
  edit.carried.clear();
  return edit;
}

// The facts of the requests in their order; the others were there before, and are carried.
Edit unfolded(Edit edit, const std::vector<EditRequest>& requests, std::size_t in) {
  std::unordered_map<std::string, std::size_t> place_of;
  for (std::size_t i = 0; i < in; ++i) place_of.emplace(requests[i].id, i);
  std::vector<FactRecord> facts(in);
  for (FactRecord& fact : edit.facts) {
    const auto own = place_of.find(fact.request.id);
    if (own != place_of.end())
      facts[own->second] = std::move(fact);
    else
      edit.carried.push_back(std::move(fact));
  }
  edit.facts = std::move(facts);
  return edit;
}

}  // namespace

DriftBudget parse_drift_budget(const std::string& text) {
  constexpr std::string_view kKl = "kl:";
  DriftBudget budget;
  const bool kl = text.starts_with(kKl);
  if (kl) budget.measure = DriftBudget::Measure::kKl;
  const std::string number = kl ? text.substr(kKl.size()) : text;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, budget.limit);
  if (error != std::errc() || stop != end || !std::isfinite(budget.limit) || budget.limit < (kl ? 0 : 1))
    throw Error(ErrorKind::kUsage,
                "the option budget-drift must be a perplexity ratio of at least 1, or kl: and a number of "
                "nats from 0, "
                "found " +
                    quote(text));
  return budget;
}

void require_budget(const DriftBudget& budget, const Editor& editor) {
  const bool kl = budget.measure == DriftBudget::Measure::kKl;
  if (!std::isfinite(budget.limit) || budget.limit < (kl ? 0 : 1))
    throw Error(ErrorKind::kUsage,
                fmt::format("the option budget-drift must be a perplexity ratio of at least 1, or kl: and a "
                            "number of nats from 0, found {}{:g}",
                            kl ? "kl:" : "", budget.limit));
  if (budget.batch < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("the batch of a drift budget must be at least 1, found {}", budget.batch));
  if (!editor.carries_earlier())
    throw Error(ErrorKind::kConfig,
                fmt::format("the option budget-drift adds facts to those that are there, which the method {} "
                            "(with these options) does not carry; use bulk or one of its kin",
                            quote(editor.name())));
}

std::vector<std::string> drift_texts(const DriftBudget& budget, const std::vector<double>& drifts) {
  constexpr double kNearOne = 0.01;
  constexpr int kDigits = 4, kDigitsNearOne = 5;  // 1.0004 has four decimals
  std::vector<double> numbers = {budget.limit};
  numbers.insert(numbers.end(), drifts.begin(), drifts.end());
  const bool near_one =
      budget.measure == DriftBudget::Measure::kPerplexity &&
      std::ranges::any_of(numbers, [](double ratio) { return std::abs(ratio - 1) < kNearOne; });
  return numbers_apart(numbers, near_one ? kDigitsNearOne : kDigits);
}

BudgetedEdit edit_within(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
                         const EditorContext& context, const DriftBudget& budget, const TextRows& held,
                         Progress& progress) {
  const DriftProbe probe(model, held, context.layers.front(), context.token_budget);
  BudgetedEdit made;
  made.outcome.budget = budget;
  std::optional<Edit> current;
  if (context.earlier != nullptr) {
    current = *context.earlier;
    made.outcome.drift = measured(budget, probe.measure(current->changes));
  } else {
    made.outcome.drift = budget.measure == DriftBudget::Measure::kKl ? 0 : 1;
  }
  std::size_t in = 0, batch = first_batch(budget, requests.size());
  while (in < requests.size()) {
    const std::size_t end = std::min(in + batch, requests.size());
    progress.note(fmt::format("facts {} to {} of {}", in + 1, end, requests.size()));
    EditorContext on = context;
    on.earlier = current ? &*current : nullptr;
    Edit next;
    {
      const ScopedEdit scope(model, current ? current->changes : std::vector<WeightChange>());
      next = job.editor->edit(model,
                              {requests.begin() + static_cast<std::ptrdiff_t>(in),
                               requests.begin() + static_cast<std::ptrdiff_t>(end)},
                              on, progress);
    }
    const double drift = measured(budget, probe.measure(next.changes));
    const std::vector<std::string> told = drift_texts(budget, {drift});
    progress.note(fmt::format("drift {} of {}", told[1], told[0]));
    if (drift <= budget.limit) {
      made.outcome.drift = drift;
      current = folded(std::move(next));
      in = end;
      continue;
    }
    made.outcome.exceeded = drift;
    if (end - in == 1) break;
    batch = (end - in + 1) / 2;
  }
  for (std::size_t i = in; i < requests.size(); ++i) made.outcome.left_out.push_back(requests[i].id);
  if (current) made.edit = unfolded(std::move(*current), requests, in);
  made.edit.replaces_earlier = context.earlier != nullptr;
  made.outcome.failed = failed_ids(made.edit);
  made.outcome.in = in - made.outcome.failed.size();
  return made;
}

}  // namespace emend
