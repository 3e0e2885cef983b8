#include "editors/rome/search.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/search_stage.h"
#include "editors/common/target_rows.h"
#include "editors/common/value_search.h"

namespace emend::editors {

namespace {

constexpr int kJointRounds = 2;

at::Tensor on_device(const RomePlan& plan, const at::Tensor& a) {
  return a.to(plan.model().options().device(), at::kFloat);
}

// What the options say of a search, and the ends that the edit teaches.
SearchOptions search_of(const RomePlan& plan) {
  SearchOptions search = plan.options().search;
  if (search.end_weight > 0) search.ends = plan.context().ends;
  return search;
}

// Group g with the response a: the rows of its requests, and one drift row for their one subject.
SearchUnit make_unit(const RomePlan& plan, std::size_t g, const at::Tensor& a) {
  const std::vector<std::size_t>& requests = plan.groups()[g].requests;
  const double share = 1.0 / static_cast<double>(requests.size());
  SearchUnit unit;
  unit.a = on_device(plan, a);
  for (const std::size_t i : requests) {
    add_target_rows(unit, plan.rows(), i, share, plan.options().shares, !search_of(plan).ends.empty());
    if (plan.options().search.kl_factor > 0 && i == requests.front())
      unit.rows.push_back(drift_row(plan.rows(), i));
  }
  return unit;
}

// What the groups `written` write.
HeldEdits written_edits(const RomePlan& plan, const RomeSolution& solution,
                        const std::vector<std::size_t>& written) {
  std::vector<at::Tensor> a, r;
  for (const std::size_t g : written) {
    a.push_back(on_device(plan, solution.responses[g]));
    r.push_back(solution.results[g].r);
  }
  return {at::stack(a), at::stack(r)};
}

// The groups `written`, from where they stand, with what the others of them write held fixed.
std::vector<SearchResult> search_further(const RomePlan& plan, const RomeSolution& solution,
                                         const std::vector<std::size_t>& written, int steps,
                                         const std::string& stage, Progress& progress) {
  const HeldEdits held = written_edits(plan, solution, written);
  std::vector<SearchUnit> units;
  for (const std::size_t g : written) {
    SearchUnit unit = make_unit(plan, g, solution.responses[g]);
    unit.start = solution.results[g].r;
    unit.held = held;
    unit.own = static_cast<std::int64_t>(units.size());
    units.push_back(std::move(unit));
  }
  SearchOptions options = search_of(plan);
  options.max_steps = steps;
  begin_search(progress, "searching jointly, " + stage,
               static_cast<std::int64_t>(written.size()) * steps_at_most(options), "steps");
  std::vector<SearchResult> results = search_values(plan.model(), plan.trace(), units, options, progress,
                                                    plan.context().journal, plan.context().group);
  progress.end();
  return results;
}

// Takes further results over; true if one of them moved.
bool take(RomeSolution& solution, const std::vector<std::size_t>& written,
          std::vector<SearchResult> further) {
  bool moved = false;
  for (std::size_t i = 0; i < written.size(); ++i) {
    SearchResult& known = solution.results[written[i]];
    moved = moved || further[i].steps > 0;
    further[i].steps += known.steps;
    further[i].converged = further[i].finite;  // it had converged; what is left is to stay a number
    known = std::move(further[i]);
  }
  return moved;
}

// The joint solution of the groups `written` alone.
void settle(const RomePlan& plan, RomeSolution& solution, const std::vector<std::size_t>& written,
            Progress& progress) {
  const at::Tensor a = plan.joint_responses(written);
  for (std::size_t i = 0; i < written.size(); ++i)
    solution.responses[written[i]] = a.select(1, static_cast<std::int64_t>(i));
  for (int round = 1; round <= kJointRounds; ++round) {
    const bool moved = take(solution, written,
                            search_further(plan, solution, written, plan.options().search.max_steps,
                                           fmt::format("round {}", round), progress));
    if (!moved) return;
  }
  // What is written is measured once more, with everybody's last residual.
  take(solution, written, search_further(plan, solution, written, 0, "measuring", progress));
}

// These groups, each as if it were alone, from where they stand.
std::vector<SearchResult> search_from_here(const RomePlan& plan, const RomeSolution& solution,
                                           const std::vector<std::size_t>& groups,
                                           const SearchOptions& options, const std::string& stage,
                                           Progress& progress) {
  std::vector<SearchUnit> units;
  if (groups.empty()) {  // of several processes each says so: none waits for this one
    ShardGroup* const group = plan.context().group;
    if (group != nullptr) search_values(plan.model(), plan.trace(), units, options, progress, nullptr, group);
    return {};
  }
  for (const std::size_t g : groups) {
    units.push_back(make_unit(plan, g, solution.responses[g]));
    units.back().start = solution.results[g].r;
  }
  begin_search(progress, stage, static_cast<std::int64_t>(groups.size()) * steps_at_most(options), "steps");
  std::vector<SearchResult> results = search_values(plan.model(), plan.trace(), units, options, progress,
                                                    plan.context().journal, plan.context().group);
  progress.end();
  return results;
}

// What a search stops at, of a result that was measured.
bool is_likely(const SearchResult& result, const SearchOptions& options) {
  return result.bare_probability > options.stop_probability &&
         result.mean_probability > options.stop_probability &&
         (options.ends.empty() || result.end_probability > options.end_probability);
}

// The groups whose residual is written.
std::vector<std::size_t> converged_groups(const RomeSolution& solution) {
  std::vector<std::size_t> groups;
  for (std::size_t g = 0; g < solution.results.size(); ++g)
    if (solution.results[g].converged) groups.push_back(g);
  return groups;
}

}  // namespace

RomeSolution search_alone(const RomePlan& plan, std::vector<at::Tensor> responses, Progress& progress,
                          const WillBeHeld& will_be_held) {
  const std::size_t groups = plan.groups().size();
  if (groups == 0) return {};
  std::vector<SearchUnit> units;
  for (std::size_t g = 0; g < groups; ++g) units.push_back(make_unit(plan, g, responses[g]));
  begin_search(progress, fmt::format("searching {} {}", groups, groups == 1 ? "value" : "values"),
               static_cast<std::int64_t>(groups) * steps_at_most(plan.options().search), "steps");
  const auto will_change = [&](std::size_t g, const SearchResult& found) {
    return will_be_held && will_be_held(g, responses[g], found);
  };
  std::vector<SearchResult> results =
      search_values(plan.model(), plan.trace(), units, search_of(plan), progress, plan.context().journal,
                    plan.context().group, will_change);
  progress.end();
  return {std::move(responses), std::move(results)};
}

void measure(const RomePlan& plan, RomeSolution& solution, const std::vector<std::size_t>& groups,
             Progress& progress) {
  SearchOptions options = search_of(plan);
  options.reach = 0;
  options.max_steps = 0;
  const std::vector<SearchResult> measured = search_from_here(
      plan, solution, groups, options, fmt::format("measuring losses, {}", groups.size()), progress);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    SearchResult& result = solution.results[groups[i]];
    result.finite = result.converged = measured[i].finite;
    result.take_losses(measured[i]);
    result.end_probability = measured[i].end_probability;
  }
}

void search_on(const RomePlan& plan, RomeSolution& solution, const std::vector<std::size_t>& groups,
               double probability, Progress& progress) {
  measure(plan, solution, groups, progress);
  SearchOptions options = search_of(plan);
  options.stop_probability = probability;
  options.stop_loss = 0;
  std::vector<std::size_t> unlikely;
  for (const std::size_t g : groups)
    if (solution.results[g].finite && !is_likely(solution.results[g], options)) unlikely.push_back(g);
  take(solution, unlikely,
       search_from_here(plan, solution, unlikely, options,
                        fmt::format("searching on, {} protected", unlikely.size()), progress));
}

void settle_jointly(const RomePlan& plan, RomeSolution& solution, Progress& progress) {
  std::vector<std::size_t> written = converged_groups(solution);
  if (written.size() < 2) return;  // a group that stands alone was searched alone
  while (!written.empty()) {
    settle(plan, solution, written, progress);
    const std::vector<std::size_t> still = converged_groups(solution);
    if (still == written) return;
    written = still;  // a group that was lost on the way is not written: the others are settled without it
  }
}

}  // namespace emend::editors
