#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <set>

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

// The same request, solved to the same residual at the same keys.
bool same_edit(const EditedFact& a, const EditedFact& b) {
  return a.request.id == b.request.id && a.request.prompt == b.request.prompt &&
         a.request.subject == b.request.subject && a.request.subject_begin == b.request.subject_begin &&
         a.request.target == b.request.target && a.layer == b.layer && a.status == b.status &&
         same_tensor(a.keys, b.keys) && same_tensor(a.residual, b.residual);
}

// The keys of one layer that facts of a patch answer, as unit rows [n, F], float64, and whose each is.
struct AnsweredKeys {
  at::Tensor rows;
  std::vector<std::size_t> facts;
};

std::map<int, AnsweredKeys> answered_keys(const Patch& patch) {
  std::map<int, std::vector<at::Tensor>> rows;
  std::map<int, AnsweredKeys> layers;
  for (std::size_t f = 0; f < patch.edit.facts.size(); ++f) {
    const EditedFact& fact = patch.edit.facts[f];
    if (fact.status != "edited") continue;
    for (std::int64_t i = 0; i < fact.keys.size(0); ++i) {
      if (fact.answers[i].item<float>() == 0) continue;
      const at::Tensor key = fact.keys[i].to(at::kDouble);
      rows[fact.layer].push_back(key / key.norm());
      layers[fact.layer].facts.push_back(f);
    }
  }
  for (auto& [layer, keys] : layers) keys.rows = at::stack(rows[layer], 0);
  return layers;
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

std::string option(const Patch& patch, const std::string& name) {
  const auto found = patch.edit.options.find(name);
  return found == patch.edit.options.end() ? "" : found->second;
}

void require_same(const std::string& what, const std::string& first, const std::string& second,
                  const std::string& first_name, const std::string& second_name) {
  if (first != second)
    throw Error(ErrorKind::kModel, first_name + " and " + second_name + ": " + what + " differs (" +
                                       quote(first, 40) + " and " + quote(second, 40) +
                                       "): they cannot be one patch");
}

std::string ids_text(const std::vector<std::int64_t>& ids) {
  std::vector<std::string> texts;
  for (const std::int64_t id : ids) texts.push_back(std::to_string(id));
  return join(texts, " ");
}

std::vector<int> shared_layers(const Patch& a, const Patch& b) {
  std::vector<int> layers;
  for (const WeightChange& one : a.edit.changes)
    if (std::any_of(b.edit.changes.begin(), b.edit.changes.end(),
                    [&](const WeightChange& other) { return one.block == other.block; }))
      layers.push_back(one.block);
  return layers;
}

// Where the patches' statistics differ, those of every layer.
std::map<int, std::string> statistics_by_layer(const std::vector<Patch>& patches) {
  std::map<int, std::string> layers;
  std::set<std::string> different;
  for (const Patch& patch : patches)
    for (const WeightChange& change : patch.edit.changes) {
      layers[change.block] = patch.statistics_of(change.block);
      different.insert(layers[change.block]);
    }
  return different.size() > 1 ? layers : std::map<int, std::string>{};
}

void require_one_kind(const std::vector<Patch>& patches, const std::vector<std::string>& names) {
  const Patch& first = patches[0];
  for (std::size_t i = 1; i < patches.size(); ++i) {
    const Patch& other = patches[i];
    const auto same = [&](const std::string& what, const std::string& a, const std::string& b) {
      require_same(what, a, b, names[0], names[i]);
    };
    same("the base", first.edit.base_fingerprint, other.edit.base_fingerprint);
    same("the prefix", ids_text(first.prefix), ids_text(other.prefix));
    same("the form", first.form == PromptForm::kChat ? "chat" : "raw",
         other.form == PromptForm::kChat ? "chat" : "raw");
    for (const int layer : shared_layers(first, other))
      same("the statistics of layer " + std::to_string(layer), first.statistics_of(layer), other.statistics_of(layer));
    for (const char* const name : {"keys", "ridge", "covariance"})
      same(std::string("the option ") + name, option(first, name), option(other, name));
  }
}

void require_no_conflicts(const std::vector<Patch>& patches, const std::vector<std::string>& names) {
  std::vector<std::string> told;
  for (const KeyConflict& conflict : key_conflicts(patches, kSameKey))
    if (!conflict.same_edit)
      told.push_back(quote(conflict.first_id) + " (" + names[conflict.first_patch] + ") and " +
                     quote(conflict.second_id) + " (" + names[conflict.second_patch] + ") at layer " +
                     std::to_string(conflict.layer));
  if (!told.empty())
    throw Error(ErrorKind::kConfig, "the same key, so that only one of them can be written: " +
                                        join(told, "; ") + "; edit them together instead");
}

CheckThresholds strictest(CheckThresholds a, const CheckThresholds& b) {
  a.efficacy = std::max(a.efficacy, b.efficacy);
  a.paraphrase = std::max(a.paraphrase, b.paraphrase);
  a.neighbourhood = std::max(a.neighbourhood, b.neighbourhood);
  a.drift = std::min(a.drift, b.drift);
  return a;
}

template <typename T>
void add_new(std::vector<T>& to, const std::vector<T>& from) {
  for (const T& value : from)
    if (std::find(to.begin(), to.end(), value) == to.end()) to.push_back(value);
}

// Facts and states of `from` that `to` does not have. Throws Error(kConfig) for one id with two meanings.
void add_facts(Patch& to, const Patch& from, const std::string& name) {
  const bool states = !to.before.empty() && !from.before.empty();
  for (std::size_t i = 0; i < from.edit.facts.size(); ++i) {
    const EditedFact& fact = from.edit.facts[i];
    const auto known = std::find_if(to.edit.facts.begin(), to.edit.facts.end(), [&](const EditedFact& other) {
      return other.request.id == fact.request.id;
    });
    if (known == to.edit.facts.end()) {
      to.edit.facts.push_back(fact);
      if (states) to.before.push_back(from.before[i]);
    } else if (!same_edit(*known, fact)) {
      throw Error(ErrorKind::kConfig, name + ": the id " + quote(fact.request.id) +
                                          " stands for another edit in a patch before it; ids must differ");
    }
  }
  if (!states) to.before.clear();
}

std::map<int, std::vector<std::size_t>> patches_by_layer(const std::vector<Patch>& patches) {
  std::map<int, std::vector<std::size_t>> layers;
  for (std::size_t p = 0; p < patches.size(); ++p)
    for (const WeightChange& change : patches[p].edit.changes) layers[change.block].push_back(p);
  return layers;
}

const WeightChange& change_of(const Patch& patch, int layer) {
  return *std::find_if(patch.edit.changes.begin(), patch.edit.changes.end(),
                       [&](const WeightChange& change) { return change.block == layer; });
}

bool holds_edit(const Patch& patch, const EditedFact& fact) {
  return std::any_of(patch.edit.facts.begin(), patch.edit.facts.end(),
                     [&](const EditedFact& other) { return same_edit(other, fact); });
}

// Rows of the change of patch `p` but those of edits that a patch before it holds, too.
std::vector<std::int64_t> new_rows(const std::vector<Patch>& patches, std::size_t p, int layer) {
  const WeightChange& change = change_of(patches[p], layer);
  std::set<std::int64_t> known;
  for (const EditedFact& fact : patches[p].edit.facts) {
    if (fact.status != "edited" || fact.layer != layer) continue;
    for (std::size_t q = 0; q < p; ++q)
      if (holds_edit(patches[q], fact)) known.insert(own_row(change.B, fact.residual));
  }
  std::vector<std::int64_t> rows;
  for (std::int64_t row = 0; row < change.A.size(0); ++row)
    if (!known.contains(row)) rows.push_back(row);
  return rows;
}

// For changes whose rows answer each for itself.
WeightChange stacked(const std::vector<Patch>& patches, const std::vector<std::size_t>& which, int layer) {
  std::vector<at::Tensor> A, B;
  for (const std::size_t p : which) {
    const at::Tensor rows = at::tensor(new_rows(patches, p, layer), at::kLong);
    A.push_back(change_of(patches[p], layer).A.index_select(0, rows));
    B.push_back(change_of(patches[p], layer).B.index_select(1, rows));
  }
  return {layer, at::cat(A, 0).contiguous(), at::cat(B, 1).contiguous()};
}

WeightChange merged_change(Patch& merged, const std::vector<Patch>& patches,
                           const std::vector<std::size_t>& which, int layer, const LayerMoments& moments) {
  if (which.size() == 1) return change_of(patches[which[0]], layer);
  if (!is_joint_solution(merged.edit)) return stacked(patches, which, layer);
  std::vector<EditedFact*> facts;
  for (EditedFact& fact : merged.edit.facts)
    if (fact.status == "edited" && fact.layer == layer) facts.push_back(&fact);
  at::Tensor C;
  if (uses_moments(merged.edit)) {
    const auto found = moments.find(layer);
    if (found == moments.end())
      throw Error(ErrorKind::kConfig, "the statistics of layer " + std::to_string(layer) + " are needed");
    C = found->second;
  }
  return solve_again(layer, facts, C, ridge_of(merged.edit));
}

}  // namespace

std::vector<KeyConflict> key_conflicts(const std::vector<Patch>& patches, double least) {
  std::vector<std::map<int, AnsweredKeys>> keys;
  for (const Patch& patch : patches) keys.push_back(answered_keys(patch));
  std::vector<KeyConflict> conflicts;
  for (std::size_t p = 0; p < patches.size(); ++p)
    for (std::size_t q = p + 1; q < patches.size(); ++q)
      for (const auto& [layer, mine] : keys[p]) {
        const auto others = keys[q].find(layer);
        if (others == keys[q].end()) continue;
        for (const auto& [pair, cosine] : close_pairs(mine, others->second, least)) {
          const EditedFact& a = patches[p].edit.facts[pair.first];
          const EditedFact& b = patches[q].edit.facts[pair.second];
          conflicts.push_back({layer, p, q, a.request.id, b.request.id, cosine, same_edit(a, b)});
        }
      }
  return conflicts;
}

std::vector<int> layers_to_solve(const std::vector<Patch>& patches) {
  std::vector<int> layers;
  for (const auto& [layer, which] : patches_by_layer(patches))
    if (which.size() > 1 && is_joint_solution(patches[0].edit) && uses_moments(patches[0].edit))
      layers.push_back(layer);
  return layers;
}

Patch merge_patches(const std::vector<Patch>& patches, const std::vector<std::string>& names,
                    const LayerMoments& moments) {
  const c10::NoGradGuard no_grad;
  require_one_kind(patches, names);
  require_no_conflicts(patches, names);
  Patch merged = patches[0];
  merged.edit_text = "# " + names[0] + "\n" + patches[0].edit_text;
  for (std::size_t p = 1; p < patches.size(); ++p) {
    const Patch& patch = patches[p];
    add_facts(merged, patch, names[p]);
    merged.edit_text += "\n# " + names[p] + "\n" + patch.edit_text;
    merged.thresholds = strictest(merged.thresholds, patch.thresholds);
    if (merged.edit.method != patch.edit.method) merged.edit.method += "+" + patch.edit.method;
    if (merged.edit.objective != patch.edit.objective) merged.edit.objective = "mixed";
    for (const auto& [name, value] : patch.edit.options)
      if (option(merged, name) != value) merged.edit.options[name] = "mixed";
    add_new(merged.edit.context_ids, patch.edit.context_ids);
    add_new(merged.held_text, patch.held_text);
    add_new(merged.edit.warnings, patch.edit.warnings);
  }
  merged.layer_statistics = statistics_by_layer(patches);
  merged.edit.changes.clear();
  for (const auto& [layer, which] : patches_by_layer(patches))
    merged.edit.changes.push_back(merged_change(merged, patches, which, layer, moments));
  merged.after.clear();
  merged.checks.clear();
  merged.passed = false;
  return merged;
}

}  // namespace emend
