#include "pipeline/skipped_facts.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "emend/checks.h"
#include "emend/judge.h"

namespace emend {
namespace {

// A fact that is left alone, with where it would have been written.
FactRecord already_true(const EditRequest& request, const std::vector<int>& layers) {
  FactRecord fact;
  fact.request = request;
  fact.status = FactStatus::kAlreadyTrue;
  for (const int layer : layers) {
    FactPart part;
    part.weight.block = layer;
    fact.parts.push_back(std::move(part));
  }
  return fact;
}

// Keeps the requests for which keep(place) is true, with what belongs to them, in their order.
template <typename Keep>
void keep_if(std::vector<EditRequest>& requests, std::vector<bool>& skipped, std::vector<FactState>& before,
             Keep keep) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!keep(i)) continue;
    std::swap(requests[kept], requests[i]);
    std::swap(before[kept], before[i]);
    skipped[kept] = skipped[i];
    ++kept;
  }
  requests.resize(kept);
  before.resize(kept);
  skipped.resize(kept);
}

// The requests of an edit by what a later one replaces them by.
class ReplaceableFacts {
 public:
  explicit ReplaceableFacts(const Edit& edit) {
    for (const FactRecord& fact : edit.facts) {
      by_id_.emplace(fact.request.id, &fact.request);
      by_prompt_.emplace(fact.request.prompt, &fact.request);
    }
  }

  // Whether one of them is another request under this id or prompt, which this request replaces.
  bool holds_another(const EditRequest& request) const {
    const auto differs = [&](const auto& entry) {
      const EditRequest& other = *entry.second;
      return other.prompt != request.prompt || other.subject_begin != request.subject_begin ||
             other.subject != request.subject || other.target != request.target;
    };
    const auto [id_begin, id_end] = by_id_.equal_range(request.id);
    const auto [prompt_begin, prompt_end] = by_prompt_.equal_range(request.prompt);
    return std::any_of(id_begin, id_end, differs) || std::any_of(prompt_begin, prompt_end, differs);
  }

 private:
  std::unordered_multimap<std::string_view, const EditRequest*> by_id_, by_prompt_;
};

}  // namespace

MeasuredBase measure_base(const Model& model, const std::vector<EditRequest>& requests,
                          const CheckOptions& options, Progress& progress) {
  const auto began = std::chrono::steady_clock::now();
  MeasuredBase base{requests, {}, {}};
  fill_present_answers(model, base.requests, options);
  base.before = measure_facts(model, base.requests, options, progress);
  for (std::size_t i = 0; i < requests.size(); ++i)
    base.skipped.push_back(judge(base.requests[i], base.before[i]).holds);
  base.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return base;
}

std::vector<FactState> skip_what_is_true(Model& model, const Edit& below,
                                         const std::vector<EditRequest>& requests, std::vector<bool>& skipped,
                                         const CheckOptions& options, Progress& progress) {
  const ScopedEdit scope(model, below.changes);
  std::vector<FactState> now = measure_facts(model, requests, options, progress);
  const ReplaceableFacts earlier(below);
  for (std::size_t i = 0; i < requests.size(); ++i)
    skipped[i] = judge(requests[i], now[i]).holds && !earlier.holds_another(requests[i]);
  return now;
}

std::vector<EditRequest> without(const std::vector<EditRequest>& requests, const std::vector<bool>& skipped) {
  std::vector<EditRequest> kept;
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (!skipped[i]) kept.push_back(requests[i]);
  return kept;
}

void fill_in_skipped(Edit& edit, const std::vector<EditRequest>& requests, const std::vector<bool>& skipped,
                     const std::vector<int>& layers) {
  const auto asked = static_cast<std::size_t>(std::count(skipped.begin(), skipped.end(), false));
  if (edit.facts.size() != asked)
    throw std::logic_error(edit.method + " returned " + std::to_string(edit.facts.size()) + " facts for " +
                           std::to_string(asked) + " requests");
  std::vector<FactRecord> facts;
  auto edited = edit.facts.begin();
  for (std::size_t i = 0; i < requests.size(); ++i)
    facts.push_back(skipped[i] ? already_true(requests[i], layers) : std::move(*edited++));
  edit.facts = std::move(facts);
}

void leave_out(const std::vector<std::string>& ids, std::vector<EditRequest>& requests,
               std::vector<bool>& skipped, std::vector<FactState>& before) {
  const std::set<std::string> left(ids.begin(), ids.end());
  keep_if(requests, skipped, before, [&](std::size_t i) { return !left.contains(requests[i].id); });
}

void leave_out_carried(const std::vector<FactRecord>& carried, std::vector<EditRequest>& requests,
                       std::vector<bool>& skipped, std::vector<FactState>& before) {
  std::set<std::string> ids;
  for (const FactRecord& fact : carried) ids.insert(fact.request.id);
  keep_if(requests, skipped, before,
          [&](std::size_t i) { return !skipped[i] || !ids.contains(requests[i].id); });
}

void put_carried_first(Edit& edit, const Model& model, std::vector<EditRequest>& requests,
                       std::vector<bool>& skipped, std::vector<FactState>& before,
                       const CheckOptions& options, Progress& progress) {
  std::vector<EditRequest> carried;
  std::vector<bool> true_already;
  for (const FactRecord& fact : edit.carried) {
    carried.push_back(fact.request);
    true_already.push_back(fact.status == FactStatus::kAlreadyTrue);
  }
  const std::vector<FactState> states = measure_facts(model, carried, options, progress);
  requests.insert(requests.begin(), carried.begin(), carried.end());
  skipped.insert(skipped.begin(), true_already.begin(), true_already.end());
  before.insert(before.begin(), states.begin(), states.end());
  edit.facts.insert(edit.facts.begin(), edit.carried.begin(), edit.carried.end());
  edit.carried.clear();
  edit.replaces_earlier = false;  // from here on it stands for itself
}

}  // namespace emend
