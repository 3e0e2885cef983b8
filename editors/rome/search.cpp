#include "editors/rome/search.h"

#include <ATen/ATen.h>

#include <string>

namespace emend {

namespace {

constexpr int kJointRounds = 2;

at::Tensor on_device(const RomePlan& plan, const at::Tensor& a) {
  return a.to(plan.model().options().device(), at::kFloat);
}

// A prompt of request i with the target's tokens behind it.
SearchRow target_row(const CallRows& all, std::size_t i, std::size_t prompt) {
  const RequestRows& rows = all[i];
  SearchRow row;
  row.row = all.trace_row(i, prompt, {rows.target.begin(), rows.target.end() - 1});
  row.lookup = rows.prompts[prompt].lookup;
  row.labels = rows.target;
  const auto last = static_cast<std::int64_t>(rows.prompts[prompt].ids.size()) - 1;
  for (std::size_t j = 0; j < rows.target.size(); ++j)
    row.label_at.push_back(last + static_cast<std::int64_t>(j));
  return row;
}

// The subject alone, whose distribution should stay.
SearchRow drift_row(const CallRows& all, std::size_t i) {
  SearchRow row;
  row.row = all.behind_prefix(all[i].subject.ids);
  row.lookup = all[i].subject.ids.size() - 1;
  row.drift = true;
  return row;
}

// Whether the early steps run context row c of n: `early` of them, spread evenly.
bool is_early_context(std::size_t c, std::size_t n, std::size_t early) {
  return c * early % n < early;
}

// The rows of one request; together they weigh `share`, and so do those of the early steps.
void add_target_rows(SearchUnit& unit, const CallRows& all, std::size_t i, double share,
                     const RomeOptions& options) {
  const std::size_t contexts = all[i].prompts.size() - 1;
  const auto early = static_cast<std::size_t>(options.early_contexts);
  // A bare key at position 0 is the sink's: the row cannot be moved, so the context rows stand for it.
  const std::size_t first = all.lies_at_sink(i) ? 1 : 0;
  double bare_share = options.uniform_rows ? 1 / static_cast<double>(contexts + 1) : options.bare_weight;
  if (contexts == 0) bare_share = 1;
  if (first == 1) bare_share = 0;
  const double contexts_share = share * (1 - bare_share);
  for (std::size_t p = first; p <= contexts; ++p) {
    SearchRow row = target_row(all, i, p);
    row.bare = p == first;
    row.weight = p == 0 ? share * bare_share : contexts_share / static_cast<double>(contexts);
    if (early > 0 && early < contexts) {
      if (p == 0)
        row.early_weight = row.weight;
      else if (is_early_context(p - 1, contexts, early))
        row.early_weight = contexts_share / static_cast<double>(early);
    }
    unit.rows.push_back(std::move(row));
  }
}

SearchUnit make_unit(const RomePlan& plan, const KeyGroup& group, const at::Tensor& a) {
  SearchUnit unit;
  unit.a = on_device(plan, a);
  const double share = 1.0 / static_cast<double>(group.requests.size());
  for (std::size_t i : group.requests) {
    add_target_rows(unit, plan.rows(), i, share, plan.options());
    if (plan.options().search.kl_factor > 0 && i == group.requests.front())  // one subject, one drift row
      unit.rows.push_back(drift_row(plan.rows(), i));
  }
  return unit;
}

// The groups `written`, from where they stand, with what the others of them write held fixed.
std::vector<SearchResult> search_further(const RomePlan& plan, const RomeSolution& solution,
                                         const std::vector<std::size_t>& written, int steps,
                                         const std::string& stage, Progress& progress) {
  std::vector<SearchUnit> units;
  for (std::size_t g : written) {
    units.push_back(make_unit(plan, plan.groups()[g], solution.responses[g]));
    units.back().start = solution.results[g].r;
    std::vector<at::Tensor> others_a, others_r;
    for (std::size_t o : written) {
      if (o == g) continue;
      others_a.push_back(on_device(plan, solution.responses[o]));
      others_r.push_back(solution.results[o].r);
    }
    if (others_a.empty()) continue;
    units.back().others_a = at::stack(others_a);
    units.back().others_r = at::stack(others_r);
  }
  SearchOptions options = plan.options().search;
  options.max_steps = steps;
  progress.begin("searching jointly, " + stage, static_cast<std::int64_t>(written.size()), "values");
  std::vector<SearchResult> results = search_values(plan.model(), plan.trace(), units, options, progress);
  progress.end();
  return results;
}

// Takes further results over; true when one of them moved.
bool take(RomeSolution& solution, const std::vector<std::size_t>& written,
          std::vector<SearchResult> further) {
  bool moved = false;
  for (std::size_t i = 0; i < written.size(); ++i) {
    SearchResult& known = solution.results[written[i]];
    moved = moved || further[i].steps > 0;
    further[i].steps += known.steps;
    further[i].came_down = further[i].finite;  // it had come down; what is left is to stay a number
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
                                           "round " + std::to_string(round), progress));
    if (!moved) return;
  }
  // What is written is measured once more, with everybody's last residual.
  take(solution, written, search_further(plan, solution, written, 0, "measuring", progress));
}

}  // namespace

RomeSolution search_alone(const RomePlan& plan, std::vector<at::Tensor> responses, Progress& progress) {
  const std::size_t groups = plan.groups().size();
  std::vector<SearchUnit> units;
  for (std::size_t g = 0; g < groups; ++g) units.push_back(make_unit(plan, plan.groups()[g], responses[g]));
  progress.begin("searching " + std::to_string(groups) + (groups == 1 ? " value" : " values"),
                 static_cast<std::int64_t>(groups), "values");
  std::vector<SearchResult> results =
      search_values(plan.model(), plan.trace(), units, plan.options().search, progress);
  progress.end();
  return {std::move(responses), std::move(results)};
}

std::vector<std::size_t> came_down(const RomeSolution& solution) {
  std::vector<std::size_t> groups;
  for (std::size_t g = 0; g < solution.results.size(); ++g)
    if (solution.results[g].came_down) groups.push_back(g);
  return groups;
}

void settle_jointly(const RomePlan& plan, RomeSolution& solution, Progress& progress) {
  std::vector<std::size_t> written = came_down(solution);
  if (written.size() < 2) return;  // what stands alone was searched alone
  while (!written.empty()) {
    settle(plan, solution, written, progress);
    const std::vector<std::size_t> still = came_down(solution);
    if (still == written) return;
    written = still;  // whoever was lost on the way is not written: the others are settled without it
  }
}

}  // namespace emend
