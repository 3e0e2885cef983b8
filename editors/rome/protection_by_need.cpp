#include "editors/rome/protection_by_need.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/prompt_rows.h"
#include "base/strings.h"
#include "editors/common/value_search.h"
#include "editors/rome/protection_bounds.h"

namespace emend::editors {

namespace {

constexpr int kRounds = 3;

// A target that has risen by no more than so many times what it may is let be.
constexpr double kNearEnough = 1.25;

// A target that has risen by less than this share of what it may is not asked again.
constexpr double kFarAway = 0.25;

// A shortened residual is searched on only while the target is less likely than this. Where the target is
// likelier, no other answer can be.
constexpr double kLikelyEnough = 0.95;

// The search measures its target where the edit is written in full. A prompt whose own key is answered less
// than this (one that begins with its subject, where nothing stands in front) is asked with the edit in
// place.
constexpr double kWrittenInFull = 0.9;

// Edits that are solved together are told of where a target rises by more than so many times what it may.
constexpr double kFarTooMuch = 5;

// Of eigenvalues of cosines: smaller ones are rounding.
constexpr double kRounding = 1e-12;

Overlay overlay(const RomePlan& plan, const at::Tensor& a, const at::Tensor& r) {
  return {plan.layer(), a.to(r.device(), at::kFloat).unsqueeze(0), r.unsqueeze(1), {}};
}

}  // namespace

// The target of one request behind a prompt about the subject of a protectable key.
struct WatchedTarget {
  std::size_t key;                    // column of ProtectableKeys::K
  std::optional<double> before = {};  // probability on the unedited model; std::nullopt: not asked yet
  bool is_near = true;                // asked in the next round
};

// By how much a target has risen behind the prompt about another subject.
struct Rise {
  std::size_t request = 0;
  std::string subject;
  double rise = 0;
};

// What the edit of one group does at the subjects that can be protected from it.
class WatchedSubjects {
 public:
  WatchedSubjects(const RomePlan& plan, std::size_t g) : plan_(plan), g_(g) {
    const ProtectableKeys& keys = plan.protectable(g);
    for (std::size_t key = 0; key < keys.texts.size(); ++key)
      for (const TextOf& text : keys.texts[key]) {
        Request& request = requests_[text.request];
        request.prompts.push_back(
            prompt_ids(plan.model().tokenizer(), text.text->prompt, plan.rows().form()));
        request.targets.push_back({key});
        request.names.push_back(text.text->name);
      }
  }

  // a^T C a over that of the response to the own keys alone. a is of the form C^-1 [own keys, K] m, so it is
  // b^T G^+ b with its answers b = G m at these keys and their Gram matrix G, which may be singular.
  double loudness(const at::Tensor& a) const {
    const ProtectableKeys& keys = plan_.protectable(g_);
    const auto norm = [&](const at::Tensor& answers) {
      const std::int64_t n = answers.size(0);
      const at::Tensor G = keys.gram.slice(0, 0, n).slice(1, 0, n), scale = G.diagonal().rsqrt();
      const auto [values, vectors] = at::linalg_eigh(G * scale.unsqueeze(1) * scale);
      const at::Tensor along = at::mv(vectors.t(), scale * answers);
      const at::Tensor is_one = values > kRounding * values.max();
      return at::where(is_one, along.square() / values, 0.0).sum().item<double>();
    };
    return norm(at::cat({keys.y, at::mv(keys.K.t(), a)})) / norm(keys.y);
  }

  // The requests whose target is likelier behind their own prompt than their present answer, with this edit,
  // whose search found these probabilities.
  std::set<std::size_t> taken(const at::Tensor& a, const SearchResult& result) const {
    const std::vector<std::size_t>& requests = plan_.groups()[g_].requests;
    if (result.bare_probability > kLikelyEnough && is_written_in_full(a))
      return {requests.begin(), requests.end()};
    const Overlay edit = overlay(plan_, a, result.r);
    std::set<std::size_t> taken;
    for (const std::size_t i : requests) {
      const EditRequest& request = plan_.requests()[i];
      const std::vector<TokenIds> own = {plan_.rows()[i].prompts.front().ids};
      const auto p = [&](const TokenIds& answer) {
        const std::int64_t budget = plan_.context().token_budget;
        return probability_per_token(target_probabilities(plan_.model(), own, answer, budget, {edit}).front(),
                                     answer.size());
      };
      if (request.was.empty() || p(plan_.rows()[i].target) > p(target_ids(plan_.model().tokenizer(),
                                                                          request.was, plan_.rows().form())))
        taken.insert(i);
    }
    return taken;
  }

  // Narrower bounds for the keys where the target is too likely with the edit r a^T in place, and new ones
  // for those that had one before. False: there is no such key, and `bounds` stay.
  bool adjust(const at::Tensor& a, const at::Tensor& r, std::vector<double>& bounds) {
    const double rise = plan_.options().protected_rise, share = plan_.options().protected_share;
    const at::Tensor answers = at::mv(plan_.protectable(g_).K.t(), a).contiguous();
    const Overlay edit = overlay(plan_, a, r);
    std::vector<double> next(bounds.size(), share);
    std::vector<bool> bounded(bounds.size());
    for (std::size_t key = 0; key < bounds.size(); ++key) bounded[key] = bounds[key] < share;
    bool missed = false;
    for (auto& [i, request] : requests_) {
      const std::vector<std::size_t> near = request.near();
      // What is not asked now stays held as it was.
      for (const WatchedTarget& target : request.targets)
        if (!target.is_near) next[target.key] = std::min(next[target.key], bounds[target.key]);
      const std::vector<double> p = probabilities(i, request.prompts_of(near), {edit});
      ask_before(i, request, near, p);
      for (std::size_t n = 0; n < near.size(); ++n) {
        WatchedTarget& target = request.targets[near[n]];
        target.is_near = p[n] - target.before.value_or(0) > kFarAway * rise;
        if (!target.before) continue;
        const double before = *target.before;
        const bool over = p[n] - before > kNearEnough * (highest_probability(before, rise) - before);
        missed = missed || over;
        if (!over && !bounded[target.key]) continue;
        const double answer = answers.const_data_ptr<double>()[target.key];
        next[target.key] = std::min(next[target.key], measured_bound(answer, before, p[n], rise));
      }
    }
    if (missed) bounds = std::move(next);
    return missed;
  }

  // Where a target of the group rises most with these edits in place.
  Rise largest_rise(const Overlay& edits) {
    Rise largest;
    for (auto& [i, request] : requests_) {
      std::vector<std::size_t> all(request.targets.size());
      std::iota(all.begin(), all.end(), std::size_t{0});
      const std::vector<double> p = probabilities(i, request.prompts, {edits});
      ask_before(i, request, all, p);
      for (const std::size_t t : all) {
        if (!request.targets[t].before) continue;
        const double rise = p[t] - *request.targets[t].before;
        if (rise > largest.rise) largest = {i, request.names[t], rise};
      }
    }
    return largest;
  }

 private:
  struct Request {
    std::vector<TokenIds> prompts;
    std::vector<std::string> names;      // the subject of each prompt
    std::vector<WatchedTarget> targets;  // one for each prompt

    std::vector<std::size_t> near() const {
      std::vector<std::size_t> places;
      for (std::size_t t = 0; t < targets.size(); ++t)
        if (targets[t].is_near) places.push_back(t);
      return places;
    }
    std::vector<TokenIds> prompts_of(const std::vector<std::size_t>& places) const {
      std::vector<TokenIds> chosen;
      for (const std::size_t t : places) chosen.push_back(prompts[t]);
      return chosen;
    }
  };

  bool is_written_in_full(const at::Tensor& a) const {
    const at::Tensor own = plan_.groups()[g_].keys.front().bare.to(a.options());
    return at::dot(a, own).item<double>() > kWrittenInFull;
  }

  // What the targets at these places, now p, were before, where that can matter: from nothing to p is no rise
  // too many otherwise.
  void ask_before(std::size_t i, Request& request, const std::vector<std::size_t>& places,
                  const std::vector<double>& p) const {
    std::vector<std::size_t> asked;
    for (std::size_t n = 0; n < places.size(); ++n) {
      const double allowed = std::min(plan_.options().protected_rise, (1 - p[n]) / 2);
      if (!request.targets[places[n]].before && p[n] > kNearEnough * allowed) asked.push_back(places[n]);
    }
    const std::vector<double> before = probabilities(i, request.prompts_of(asked), {});
    for (std::size_t j = 0; j < asked.size(); ++j) request.targets[asked[j]].before = before[j];
  }

  // Of no prompts: nothing, without a pass.
  std::vector<double> probabilities(std::size_t i, const std::vector<TokenIds>& prompts,
                                    const std::vector<Overlay>& edit) const {
    if (prompts.empty()) return {};
    return target_probabilities(plan_.model(), prompts, plan_.rows()[i].target, plan_.context().token_budget,
                                edit);
  }

  const RomePlan& plan_;
  std::size_t g_;
  std::map<std::size_t, Request> requests_;  // by their index
};

namespace {

// |a^T k| |r| at each protectable key: what the group's edit writes there.
at::Tensor written_at(const RomePlan& plan, const RomeSolution& solution, std::size_t g) {
  return at::mv(plan.protectable(g).K.t(), solution.responses[g]).abs() *
         solution.results[g].r.norm().item<double>();
}

// All converged groups' edits in place.
Overlay overlay_of_all(const RomePlan& plan, const RomeSolution& solution) {
  std::vector<at::Tensor> a, r;
  for (const std::size_t g : plan.all_groups()) {
    if (!solution.results[g].converged) continue;
    r.push_back(solution.results[g].r);
    a.push_back(solution.responses[g].to(r.back().device(), at::kFloat));
  }
  return {plan.layer(), at::stack(a), at::stack(r, 1), {}};
}

bool is_by_need(const RomePlan& plan) {
  return plan.options().protected_rise < 1 && plan.options().protected_share > 0;
}

std::vector<std::vector<double>> bounds_of(const RomePlan& plan) {
  std::vector<std::vector<double>> bounds;
  for (const std::size_t g : plan.all_groups()) bounds.push_back(plan.bounds(g));
  return bounds;
}

}  // namespace

struct ProtectionByNeed::State {
  RomePlan& plan;
  std::map<std::size_t, WatchedSubjects> watched = {};  // by group
  struct Round {
    bool missed = false;
    std::vector<double> bounds;
  };
  std::map<std::size_t, Round> first = {};  // of those whose first round is made already

  WatchedSubjects& subjects(std::size_t g) { return watched.try_emplace(g, plan, g).first->second; }
  Round round_of(std::size_t g, const at::Tensor& a, const at::Tensor& r) {
    Round made{false, plan.bounds(g)};
    made.missed = subjects(g).adjust(a, r, made.bounds);
    return made;
  }
  // One round of these groups, with their bounds; those that miss an aim stay in `moving`.
  void adjust(std::vector<std::size_t>& moving, const RomeSolution& solution, bool is_first,
              std::vector<std::vector<double>>& bounds, Progress& progress);
  // The groups, out of `changed`, that would no longer take, though they do with nobody held: those of `free`
  // again.
  void give_back(const std::vector<std::size_t>& changed, const RomeSolution& free,
                 const std::vector<std::vector<double>>& free_bounds, RomeSolution& solution,
                 Progress& progress);
};

void ProtectionByNeed::State::adjust(std::vector<std::size_t>& moving, const RomeSolution& solution,
                                     bool is_first, std::vector<std::vector<double>>& bounds,
                                     Progress& progress) {
  std::int64_t measured = 0;
  std::erase_if(moving, [&](std::size_t g) {
    const auto known = is_first ? first.find(g) : first.end();
    Round round = known != first.end() ? std::move(known->second)
                                       : round_of(g, solution.responses[g], solution.results[g].r);
    progress.update(++measured, "");
    if (round.missed) bounds[g] = std::move(round.bounds);
    return !round.missed;
  });
}

void ProtectionByNeed::State::give_back(const std::vector<std::size_t>& changed, const RomeSolution& free,
                                        const std::vector<std::vector<double>>& free_bounds,
                                        RomeSolution& solution, Progress& progress) {
  std::vector<std::vector<double>> bounds = bounds_of(plan);
  std::vector<std::size_t> given_back;
  for (const std::size_t g : changed) {
    const std::set<std::size_t> held = subjects(g).taken(solution.responses[g], solution.results[g]);
    if (held.size() == plan.groups()[g].requests.size()) continue;
    const std::set<std::size_t> taken = subjects(g).taken(free.responses[g], free.results[g]);
    const auto lost = std::ranges::find_if(taken, [&](std::size_t i) { return !held.contains(i); });
    if (lost == taken.end()) continue;
    plan.warn(g, fmt::format("edit {}: it would not take with other subjects protected from it, so none is",
                             plan.requests()[*lost].id));
    bounds[g] = free_bounds[g];
    solution.responses[g] = free.responses[g];
    solution.results[g] = free.results[g];
    given_back.push_back(g);
  }
  plan.hold_within(bounds);
  measure(plan, solution, given_back, progress);
}

ProtectionByNeed::ProtectionByNeed(RomePlan& plan) : state_(std::make_unique<State>(State{plan})) {}
ProtectionByNeed::~ProtectionByNeed() = default;

bool ProtectionByNeed::will_be_held(std::size_t g, const at::Tensor& a, const SearchResult& found) {
  if (!is_by_need(state_->plan) || !found.converged || !state_->plan.protectable(g).K.defined()) return false;
  return (state_->first[g] = state_->round_of(g, a, found.r)).missed;
}

void ProtectionByNeed::protect(RomeSolution& solution, Progress& progress) {
  RomePlan& plan = state_->plan;
  if (!is_by_need(plan)) return;
  std::vector<std::size_t> changed, moving;  // groups; those that still move a subject too much
  for (const std::size_t g : plan.all_groups())
    if (solution.results[g].converged && plan.protectable(g).K.defined()) moving.push_back(g);
  if (moving.empty()) return;
  const RomeSolution free = solution;
  const std::vector<std::vector<double>> free_bounds = bounds_of(plan);
  for (int round = 0; round < kRounds && !moving.empty(); ++round) {
    std::vector<std::vector<double>> bounds = bounds_of(plan);
    progress.begin(fmt::format("measuring at other subjects, round {}", round + 1),
                   static_cast<std::int64_t>(moving.size()), moving.size() == 1 ? "edit" : "edits");
    state_->adjust(moving, solution, round == 0, bounds, progress);
    progress.end();
    plan.hold_within(bounds);
    for (const std::size_t g : moving) {
      solution.responses[g] = plan.response(g);
      const double louder = std::max(state_->subjects(g).loudness(solution.responses[g]), 1.0);
      solution.results[g].r = free.results[g].r / std::sqrt(louder);
    }
    if (round == 0) changed = moving;
  }
  search_on(plan, solution, changed, std::min(kLikelyEnough, stopping_probability(plan.options().search)),
            progress);
  state_->give_back(changed, free, free_bounds, solution, progress);
}

std::vector<std::string> warn_of_rises(const RomePlan& plan, const RomeSolution& alone,
                                       const RomeSolution& together, Progress& progress) {
  if (!is_by_need(plan)) return {};
  std::vector<std::size_t> louder;
  for (const std::size_t g : plan.all_groups())
    if (together.results[g].converged && plan.protectable(g).K.defined() &&
        (written_at(plan, together, g) > kNearEnough * written_at(plan, alone, g)).any().item<bool>())
      louder.push_back(g);
  if (louder.empty()) return {};
  const Overlay edits = overlay_of_all(plan, together);
  Rise largest;
  int many = 0;
  progress.begin("measuring at other subjects, together", static_cast<std::int64_t>(louder.size()), "edits");
  for (std::size_t i = 0; i < louder.size(); ++i) {
    const Rise rise = WatchedSubjects(plan, louder[i]).largest_rise(edits);
    if (rise.rise > kFarTooMuch * plan.options().protected_rise) ++many;
    if (rise.rise > largest.rise) largest = rise;
    progress.update(static_cast<std::int64_t>(i) + 1, "");
  }
  progress.end();
  if (many == 0) return {};
  const std::string others =
      many > 1 ? fmt::format(" ({} more edits reach others so far)", many - 1) : std::string();
  return {
      fmt::format("edit {}: solved together with the others of the file it makes its target likelier by "
                  "{:.2f} at the other subject {}, where an edit alone is held to {}{}; edit it in a file "
                  "of its own, or with `protected_share: 0`",
                  plan.requests()[largest.request].id, largest.rise, quote(largest.subject, 60),
                  plan.options().protected_rise, others)};
}

}  // namespace emend::editors
