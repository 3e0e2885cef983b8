// The round of a method that reads the keys of carried facts anew: the displacements of all facts are known,
// and every layer is solved from its untouched weight.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <utility>

#include "editors/bulk/run.h"
#include "editors/bulk/values.h"

namespace emend::editors {

void BulkRun::write_anew(const at::Tensor& deltas, Progress& progress) {
  ask_for(deltas);
  const Asked own(model_, rows_, groups_, asked_, call_.reading());
  const Asked carried(model_, held_->rows(), held_->groups(), held_->displacements(), call_.reading());
  for (std::size_t place = 0; place < call_.layers.size(); ++place) {
    at::Tensor of_carried = carried.of_layer(model_, place);
    // The first layer's share of a carried fact has been filtered already.
    if (place > 0) of_carried = filter_.residuals(of_carried, place);
    solve_anew(place, filter_.residuals(own.of_layer(model_, place), place), of_carried, progress);
  }
}

// Whether the rounds after the first search carried facts as well.
bool BulkRun::searches_carried() const {
  return held_ && call_.options.rounds > 1 && call_.options.carried_probability > 0;
}

// The carried facts that are weaker than they may be; the others take no step.
std::vector<SearchResult> BulkRun::search_carried(Progress& progress) const {
  BulkOptions options = call_.options;
  options.search.stop_probability = options.carried_probability;
  options.search.stop_loss = 0;
  const LayerTrace trace(model_, {searched_layer(call_.layers, options.values)}, held_->rows().fronts(),
                         call_.context.token_budget);
  return search_values_of(model_, trace, held_->rows(), held_->groups(), options, call_.context, progress);
}

// How long searches may make the displacements of carried facts [groups] float64; nothing is on the model.
at::Tensor BulkRun::longest_carried() const {
  const at::Tensor seen =
      seen_at_lookup(model_, held_->rows(), held_->groups(),
                     {searched_layer(call_.layers, call_.options.values)}, call_.context.token_budget)[0];
  return seen.to(at::kDouble).norm(2, 1) * call_.options.carried_clamp;
}

// What searches found, as it comes through the filter.
at::Tensor BulkRun::displacements_of(const CallRows& rows, const std::vector<KeyGroup>& groups,
                                     const at::Tensor& deltas) const {
  const at::Tensor now =
      seen_at_lookup(model_, rows, groups, {searched_layer(call_.layers, call_.options.values)},
                     call_.context.token_budget)[0];
  return (filter_.targets(now + deltas) - now).to(at::kDouble);
}

// Adds what a search found to what is asked, and takes all changes off the model.
void BulkRun::ask_for(const at::Tensor& deltas) {
  const at::Tensor more = displacements_of(rows_, groups_, deltas);
  asked_ = asked_.defined() ? asked_ + more : more;
  take_off();
}

void BulkRun::solve_anew(std::size_t place, const at::Tensor& wanted, const at::Tensor& of_carried,
                         Progress& progress) {
  systems_[place].replace(carried_at(place, of_carried), constraints_at(call_.layers[place]),
                          residuals_of_written(wanted));
  lay(place);
  note(place, progress);
}

std::vector<CarriedGroup> BulkRun::carried_at(std::size_t place, const at::Tensor& wanted) const {
  std::vector<CarriedGroup> groups;
  const std::vector<KeyConstraint> constraints =
      read_constraints(model_, call_.layers[place], held_->rows(), Grouping::kShared, call_.reading());
  for (std::size_t g = 0; g < constraints.size(); ++g)
    groups.push_back({held_->facts_of(g), constraints[g], wanted[static_cast<std::int64_t>(g)]});
  return groups;
}

void BulkRun::book_carried(std::vector<FactRecord>& facts) const {
  for (std::size_t g = 0; g < held_->groups().size(); ++g)
    for (const std::size_t i : held_->facts_of(g)) {
      facts[i].parts.clear();
      for (const LayerSystem& system : systems_) facts[i].parts.push_back(system.carried_part(g));
    }
}

}  // namespace emend::editors
