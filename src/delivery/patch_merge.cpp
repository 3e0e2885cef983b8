#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "delivery/solve_again.h"
#include "emend/error.h"
#include "emend/patch_algebra.h"

namespace emend {
namespace {

// Facts that were not edited hold no tensors.
bool same_tensor(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || at::equal(a, b));
}

// The same request, solved to the same residual and answers at the same keys.
bool same_edit(const FactRecord& a, const FactRecord& b) {
  const auto same_part = [](const FactPart& x, const FactPart& y) {
    return x.weight == y.weight && same_tensor(x.keys, y.keys) && same_tensor(x.answers, y.answers) &&
           same_tensor(x.residual, y.residual);
  };
  return a.request.id == b.request.id && a.request.prompt == b.request.prompt &&
         a.request.subject == b.request.subject && a.request.subject_begin == b.request.subject_begin &&
         a.request.target == b.request.target && a.status == b.status &&
         std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), same_part);
}

// The keys of one weight that facts of a patch answer, as unit rows [n, F], float64, and whose each is.
struct AnsweredKeys {
  at::Tensor rows;
  std::vector<std::size_t> facts;
};

std::map<WeightRef, AnsweredKeys> answered_keys(const Patch& patch) {
  std::map<WeightRef, std::vector<at::Tensor>> rows;
  std::map<WeightRef, AnsweredKeys> weights;
  for (std::size_t f = 0; f < patch.edit.facts.size(); ++f) {
    if (!patch.edit.facts[f].is_edited()) continue;
    for (const FactPart& part : patch.edit.facts[f].parts)
      for (std::int64_t i = 0; i < part.keys.size(0); ++i) {
        if (part.answers[i].item<float>() == 0) continue;
        const at::Tensor key = part.keys[i].to(at::kDouble);
        rows[part.weight].push_back(key / key.norm());
        weights[part.weight].facts.push_back(f);
      }
  }
  for (auto& [weight, keys] : weights) keys.rows = at::stack(rows[weight], 0);
  return weights;
}

// The largest cosine of two facts' keys, of those pairs that reach `least`; by the facts' places.
std::map<std::pair<std::size_t, std::size_t>, double> close_pairs(const AnsweredKeys& a,
                                                                  const AnsweredKeys& b, double least) {
  std::map<std::pair<std::size_t, std::size_t>, double> pairs;
  if (a.rows.size(1) != b.rows.size(1)) return pairs;
  constexpr std::int64_t kRows = 512;  // at a time, so that the cosines of large patches fit into memory
  for (std::int64_t begin = 0; begin < a.rows.size(0); begin += kRows) {
    const std::int64_t count = std::min(kRows, a.rows.size(0) - begin);
    const at::Tensor cosines = at::matmul(a.rows.narrow(0, begin, count), b.rows.t());
    const at::Tensor found = at::nonzero(cosines >= least);
    for (std::int64_t n = 0; n < found.size(0); ++n) {
      const auto i = found[n][0].item<std::int64_t>(), j = found[n][1].item<std::int64_t>();
      const double cosine = cosines[i][j].item<double>();
      const auto place =
          std::pair(a.facts[static_cast<std::size_t>(begin + i)], b.facts[static_cast<std::size_t>(j)]);
      const auto [entry, is_new] = pairs.emplace(place, cosine);
      if (!is_new) entry->second = std::max(entry->second, cosine);
    }
  }
  return pairs;
}

void require_same(const std::string& what, const std::string& first, const std::string& second,
                  const std::string& first_name, const std::string& second_name) {
  if (first != second)
    throw Error(ErrorKind::kModel,
                fmt::format("{} and {}: {} differs ({} and {}): they cannot be one patch", first_name,
                            second_name, what, quote(first, 40), quote(second, 40)));
}

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> texts;
  for (const std::int64_t id : ids) texts.push_back(std::to_string(id));
  return join(texts, " ");
}

// "equality, ridge 1e-05".
std::string rule_text(const WeightSolve& solve) {
  if (solve.lambda_of_several > 0)
    return fmt::format("equality of one fact, least squares of several, ridge {:.6g}, lambda {:.6g}",
                       solve.relative_ridge, solve.lambda_of_several);
  std::string text = fmt::format("{}, ridge {:.6g}", to_string(solve.rule), solve.relative_ridge);
  if (solve.lambda != 0) text += fmt::format(", lambda {:.6g}", solve.lambda);
  if (solve.null_space_threshold != 0)
    text += fmt::format(", null space below {:.6g}", solve.null_space_threshold);
  return text;
}

void require_one_kind(const std::vector<Patch>& patches, const std::vector<std::string>& names) {
  const Patch& first = patches[0];
  std::map<WeightRef, std::pair<const WeightSolve*, std::size_t>> solved;  // first, and by which patch
  for (const WeightSolve& solve : first.edit.solves) solved[solve.weight] = {&solve, 0};
  for (std::size_t i = 1; i < patches.size(); ++i) {
    const Patch& other = patches[i];
    const auto same = [&](const std::string& what, const std::string& a, const std::string& b) {
      require_same(what, a, b, names[0], names[i]);
    };
    same("the base", first.edit.base_fingerprint, other.edit.base_fingerprint);
    same("the prefix", ids_text(first.prefix), ids_text(other.prefix));
    same("the form", std::string(to_string(first.form)), std::string(to_string(other.form)));
    for (const WeightSolve& theirs : other.edit.solves) {
      const auto [solve, whose] = solved.try_emplace(theirs.weight, &theirs, i).first->second;
      const std::string layer = fmt::format(" of layer {}", theirs.weight.block);
      require_same("the statistics" + layer, solve->statistics_fingerprint, theirs.statistics_fingerprint,
                   names[whose], names[i]);
      require_same("the rule of solving" + layer, rule_text(*solve), rule_text(theirs), names[whose],
                   names[i]);
    }
  }
}

void require_no_conflicts(const std::vector<Patch>& patches, const std::vector<std::string>& names) {
  std::vector<std::string> told;
  for (const KeyConflict& conflict : key_conflicts(patches, kSameKey))
    if (!conflict.same_edit)
      told.push_back(fmt::format("{} ({}) and {} ({}) at layer {}", quote(conflict.first_id),
                                 names[conflict.first_patch], quote(conflict.second_id),
                                 names[conflict.second_patch], conflict.layer));
  if (!told.empty())
    throw Error(
        ErrorKind::kConfig,
        fmt::format("the same key, so that only one of them can be written: {}; edit them together instead",
                    join(told, "; ")));
}

CheckThresholds strictest(CheckThresholds a, const CheckThresholds& b) {
  a.efficacy = std::max(a.efficacy, b.efficacy);
  a.paraphrase = std::max(a.paraphrase, b.paraphrase);
  a.neighbourhood = std::max(a.neighbourhood, b.neighbourhood);
  a.drift = std::min(a.drift, b.drift);
  a.bleed = std::min(a.bleed, b.bleed);
  if (b.said) a.said = std::max(a.said.value_or(0), *b.said);
  return a;
}

template <typename T>
void add_new(std::vector<T>& to, const std::vector<T>& from) {
  for (const T& value : from)
    if (std::find(to.begin(), to.end(), value) == to.end()) to.push_back(value);
}

// "rome+memit": each method once, also of patches that were merged before.
std::string merged_method(const std::vector<Patch>& patches) {
  std::vector<std::string> methods;
  for (const Patch& patch : patches) add_new(methods, split_at(patch.edit.method, '+'));
  return join(methods, "+");
}

// A value that all patches have stays; an option that differs, or that some do not have, is "mixed".
std::map<std::string, std::string> merged_options(const std::vector<Patch>& patches) {
  std::map<std::string, std::string> options;
  for (const Patch& patch : patches) options.insert(patch.edit.options.begin(), patch.edit.options.end());
  for (auto& [name, value] : options)
    for (const Patch& patch : patches) {
      const auto own = patch.edit.options.find(name);
      if (own == patch.edit.options.end() || own->second != value) value = "mixed";
    }
  return options;
}

template <typename T>
void clear_unless_equal(T& value, const T& other) {
  if (value != other) value = T();
}

// What differs is not recorded.
void merge_conditions(Patch& to, const Patch& from) {
  clear_unless_equal(to.bos, from.bos);
  clear_unless_equal(to.conditions.devices, from.conditions.devices);
  clear_unless_equal(to.conditions.dtype, from.conditions.dtype);
  clear_unless_equal(to.conditions.seed, from.conditions.seed);
  clear_unless_equal(to.conditions.token_budget, from.conditions.token_budget);
}

// Whether what the patches measured before their edits can stand side by side.
bool measured_alike(const std::vector<Patch>& patches) {
  return std::all_of(patches.begin(), patches.end(), [&](const Patch& patch) {
    return patch.conditions.dtype == patches[0].conditions.dtype &&
           std::all_of(patch.edit.facts.begin(), patch.edit.facts.end(),
                       [](const FactRecord& fact) { return fact.before.has_value(); });
  });
}

// The facts of `from` that `to` does not hold. Throws Error(kConfig) for one id with two meanings.
void add_facts(Patch& to, const Patch& from, const std::string& name) {
  for (const FactRecord& fact : from.edit.facts) {
    const auto known = std::find_if(to.edit.facts.begin(), to.edit.facts.end(), [&](const FactRecord& other) {
      return other.request.id == fact.request.id;
    });
    if (known == to.edit.facts.end())
      to.edit.facts.push_back(fact);
    else if (!same_edit(*known, fact))
      throw Error(ErrorKind::kConfig,
                  fmt::format("{}: the id {} stands for another edit in a patch before it; ids must differ",
                              name, quote(fact.request.id)));
  }
}

std::map<WeightRef, std::vector<std::size_t>> patches_by_weight(const std::vector<Patch>& patches) {
  std::map<WeightRef, std::vector<std::size_t>> weights;
  for (std::size_t p = 0; p < patches.size(); ++p)
    for (const WeightChange& change : patches[p].edit.changes) weights[change.weight].push_back(p);
  return weights;
}

bool holds_edit(const Patch& patch, const FactRecord& fact) {
  return std::any_of(patch.edit.facts.begin(), patch.edit.facts.end(),
                     [&](const FactRecord& other) { return same_edit(other, fact); });
}

// Rows of the change of patch `p` but those of edits that a patch before it holds, too.
std::vector<std::int64_t> new_rows(const std::vector<Patch>& patches, std::size_t p,
                                   const WeightRef& weight) {
  std::set<std::int64_t> known;
  for (const FactRecord* const fact : edited_at(patches[p].edit, weight))
    for (std::size_t q = 0; q < p; ++q)
      if (holds_edit(patches[q], *fact)) {
        const std::vector<std::int64_t>& rows = fact->part_at(weight)->rows;
        known.insert(rows.begin(), rows.end());
      }
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < patches[p].edit.change_of(weight)->A.size(0); ++row)
    if (!known.contains(row)) rows.push_back(row);
  return rows;
}

// For changes whose rows answer each for itself: the rows of all, one after the other, and what they are now
// called in the merged facts, which come from the first patch that holds them.
WeightChange stacked(Edit& merged, const std::vector<Patch>& patches, const std::vector<std::size_t>& which,
                     const WeightRef& weight) {
  std::vector<at::Tensor> A, B;
  std::int64_t begin = 0;
  std::map<std::string, std::vector<std::int64_t>> rows_of;
  for (const std::size_t p : which) {
    const WeightChange& change = *patches[p].edit.change_of(weight);
    if (change.is_dense())
      throw Error(
          ErrorKind::kModel,
          fmt::format(
              "the change of the {} is dense and was solved fact by fact: it cannot be merged row by row",
              weight_name(weight)));
    const std::vector<std::int64_t> kept = new_rows(patches, p, weight);
    for (const FactRecord* const fact : edited_at(patches[p].edit, weight))
      for (const std::int64_t row : fact->part_at(weight)->rows) {
        const auto place = std::find(kept.begin(), kept.end(), row);
        if (place != kept.end()) rows_of[fact->request.id].push_back(begin + (place - kept.begin()));
      }
    const at::Tensor index = at::tensor(kept, at::kLong);
    A.push_back(change.A.index_select(0, index));
    B.push_back(change.B.index_select(1, index));
    begin += static_cast<std::int64_t>(kept.size());
  }
  for (FactRecord* const fact : edited_at(merged, weight))
    part_of(*fact, weight).rows = rows_of[fact->request.id];
  return WeightChange::low_rank(weight, at::cat(A, 0).contiguous(), at::cat(B, 1).contiguous());
}

WeightChange merged_change(Edit& merged, const std::vector<Patch>& patches,
                           const std::vector<std::size_t>& which, WeightSolve& solve,
                           const LayerMoments& moments) {
  if (which.size() == 1) return *patches[which[0]].edit.change_of(solve.weight);
  if (!is_joint(solve)) return stacked(merged, patches, which, solve.weight);
  return solve_again(solve, edited_at(merged, solve.weight), moments);
}

}  // namespace

std::vector<KeyConflict> key_conflicts(const std::vector<Patch>& patches, double least) {
  std::vector<std::map<WeightRef, AnsweredKeys>> keys;
  for (const Patch& patch : patches) keys.push_back(answered_keys(patch));
  std::vector<KeyConflict> conflicts;
  for (std::size_t p = 0; p < patches.size(); ++p)
    for (std::size_t q = p + 1; q < patches.size(); ++q)
      for (const auto& [weight, mine] : keys[p]) {
        const auto others = keys[q].find(weight);
        if (others == keys[q].end()) continue;
        for (const auto& [pair, cosine] : close_pairs(mine, others->second, least)) {
          const FactRecord& a = patches[p].edit.facts[pair.first];
          const FactRecord& b = patches[q].edit.facts[pair.second];
          conflicts.push_back({weight.block, p, q, a.request.id, b.request.id, cosine, same_edit(a, b)});
        }
      }
  return conflicts;
}

std::vector<int> layers_to_solve(const std::vector<Patch>& patches) {
  std::vector<int> layers;
  for (const auto& [weight, which] : patches_by_weight(patches)) {
    if (which.size() < 2) continue;
    const WeightSolve& solve = *patches[which[0]].edit.solve_of(weight);
    require_solvable(solve);
    if (needs_moments(solve)) layers.push_back(weight.block);
  }
  return layers;
}

Patch merge_patches(const std::vector<Patch>& patches, const std::vector<std::string>& names,
                    const LayerMoments& moments) {
  const c10::NoGradGuard no_grad;
  require_one_kind(patches, names);
  require_no_conflicts(patches, names);
  Patch merged = patches[0];
  merged.edit_text = fmt::format("# {}\n{}", names[0], patches[0].edit_text);
  for (std::size_t p = 1; p < patches.size(); ++p) {
    const Patch& patch = patches[p];
    add_facts(merged, patch, names[p]);
    merged.edit_text += fmt::format("\n# {}\n{}", names[p], patch.edit_text);
    merged.thresholds = strictest(merged.thresholds, patch.thresholds);
    merge_conditions(merged, patch);
    if (merged.edit.objective != patch.edit.objective) merged.edit.objective = Objective::kMixed;
    add_new(merged.edit.context_ids, patch.edit.context_ids);
    add_new(merged.held_text, patch.held_text);
    add_new(merged.edit.warnings, patch.edit.warnings);
  }
  merged.edit.method = merged_method(patches);
  merged.edit.options = merged_options(patches);
  merged.edit.changes.clear();
  merged.edit.solves.clear();
  const bool measured = measured_alike(patches);
  for (FactRecord& fact : merged.edit.facts) {
    fact.after.reset();
    if (!measured) fact.before.reset();
  }
  for (const auto& [weight, which] : patches_by_weight(patches)) {
    WeightSolve solve = *patches[which[0]].edit.solve_of(weight);
    merged.edit.changes.push_back(merged_change(merged.edit, patches, which, solve, moments));
    merged.edit.solves.push_back(solve);
  }
  merged.checks.clear();
  merged.passed = false;
  return merged;
}

}  // namespace emend
