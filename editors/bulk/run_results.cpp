// What a bulk edit tells: the plan before it, and the Edit with the records of its facts.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "editors/bulk/run.h"
#include "editors/common/edit_parts.h"

namespace emend::editors {

std::vector<std::string> BulkRun::warnings() const {
  std::vector<std::string> all;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    all.insert(all.end(), groups_[g].warnings.begin(), groups_[g].warnings.end());
    if (!sound_[g]) all.push_back(fmt::format("{}: {}; left out", ids(g), kBrokenKeys));
  }
  return all;
}

EditPlan BulkRun::summary() const {
  EditPlan plan;
  plan.warnings = warnings();
  std::vector<KeyConstraint> constraints;
  for (const CarriedGroup& group : carried_groups(carried_.facts, systems_.front().weight()))
    constraints.push_back(group.constraint);
  std::size_t row = constraints.size();
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (sound_[g])
      constraints.push_back(constraint_of(
          groups_[g].keys.front(), rows_.lies_at_sink(groups_[g].requests.front()), call_.options.keys));
  at::Tensor norms;
  if (!constraints.empty())
    norms = call_.preserve.front().responses(join_constraints(constraints)).norm(2, 0).to(at::kCPU);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const double norm = sound_[g] ? norms[static_cast<std::int64_t>(row)].item<double>() : 0;
    row += sound_[g] ? 1 : 0;
    for (const std::size_t i : groups_[g].requests) {
      if (i >= own_requests_) continue;
      EditPlan::Entry entry{requests_[i].id,
                            call_.layers,
                            static_cast<std::int64_t>(rows_[i].target.size()),
                            static_cast<std::int64_t>(rows_[i].prompts.size()),
                            others_of(groups_[g], i, requests_),
                            norm,
                            0};
      plan.entries.push_back(std::move(entry));
    }
  }
  return plan;
}

// What a fact that is not written would have been written at.
FactPart BulkRun::unwritten_part(std::size_t g, std::size_t place) const {
  const bool at_sink = rows_.lies_at_sink(groups_[g].requests.front());
  const KeyConstraint at = constraint_of(groups_[g].keys[place], at_sink, call_.options.keys);
  const at::Tensor nothing = at::zeros({model_.config().d_model}, at::kFloat);
  return fact_part(systems_[place].weight(), at, at::zeros({at.K.size(0)}, at::kDouble), nothing, 1);
}

std::vector<FactRecord> BulkRun::fact_records() const {
  std::vector<std::pair<std::size_t, FactRecord>> facts;
  std::size_t row = 0;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const bool converged = results_[g].converged;
    std::vector<FactPart> parts;
    for (std::size_t place = 0; place < systems_.size(); ++place)
      parts.push_back(converged ? systems_[place].part(row) : unwritten_part(g, place));
    row += converged ? 1 : 0;
    for (const std::size_t i : groups_[g].requests) {
      facts.emplace_back(i, searched_fact(requests_[i], results_[g], parts));
      if (!sound_[g]) facts.back().second.reason = kBrokenKeys;
    }
  }
  return in_request_order(std::move(facts));
}

Edit BulkRun::collect() const {
  Edit edit;
  edit.facts = fact_records();
  edit.replaces_earlier = call_.earlier() != nullptr;
  edit.carried = carried_.facts;
  const bool solved_anew = held_ && !written_.empty();
  for (const LayerSystem& system : systems_) {
    if (system.groups() == 0) continue;
    edit.changes.push_back(system.change());
    edit.solves.push_back(system.record());
    if (!solved_anew) system.book_carried(edit.carried);
  }
  if (solved_anew) book_carried(edit.carried);
  const auto again = edit.facts.begin() + static_cast<std::ptrdiff_t>(own_requests_);
  edit.carried.insert(edit.carried.end(), std::make_move_iterator(again),
                      std::make_move_iterator(edit.facts.end()));
  edit.facts.erase(again, edit.facts.end());
  edit.context_ids = rows_.contexts();
  edit.warnings = warnings();
  for (std::size_t g = 0; g < groups_.size(); ++g)
    if (const auto told = missed_end(results_[g], call_.options.search.end_probability, ids(g)))
      edit.warnings.push_back(*told);
  return edit;
}

}  // namespace emend::editors
