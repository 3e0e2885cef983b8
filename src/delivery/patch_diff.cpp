#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "base/strings.h"
#include "emend/patch_algebra.h"

namespace emend {
namespace {

void compare(std::vector<std::string>& list, const std::string& what, const std::string& a,
             const std::string& b) {
  if (a != b) list.push_back(what + ": " + (a.empty() ? "none" : a) + " / " + (b.empty() ? "none" : b));
}

std::set<int> layers_of(const Patch& a, const Patch& b) {
  std::set<int> layers;
  for (const Patch* const patch : {&a, &b})
    for (const WeightChange& change : patch->edit.changes) layers.insert(change.block);
  return layers;
}

std::vector<std::string> compare_settings(const Patch& a, const Patch& b) {
  std::vector<std::string> list;
  compare(list, "base", a.edit.base_fingerprint, b.edit.base_fingerprint);
  if (a.layer_statistics.empty() && b.layer_statistics.empty())
    compare(list, "statistics", a.edit.statistics_fingerprint, b.edit.statistics_fingerprint);
  else
    for (const int layer : layers_of(a, b))
      compare(list, "statistics of layer " + std::to_string(layer), a.statistics_of(layer), b.statistics_of(layer));
  compare(list, "method", a.edit.method, b.edit.method);
  compare(list, "objective", a.edit.objective, b.edit.objective);
  compare(list, "bos", a.bos, b.bos);
  compare(list, "form", a.form == PromptForm::kChat ? "chat" : "raw",
          b.form == PromptForm::kChat ? "chat" : "raw");
  compare(list, "passed", a.passed ? "yes" : "no", b.passed ? "yes" : "no");
  std::set<std::string> names;
  for (const auto& [name, value] : a.edit.options) names.insert(name);
  for (const auto& [name, value] : b.edit.options) names.insert(name);
  const auto value_of = [](const Patch& patch, const std::string& name) {
    const auto found = patch.edit.options.find(name);
    return found == patch.edit.options.end() ? std::string() : found->second;
  };
  for (const std::string& name : names) compare(list, "option " + name, value_of(a, name), value_of(b, name));
  return list;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g %%", 100 * share);
  return text;
}

// ||a - b|| / ||a||, or nothing when they are equal.
void compare_tensors(std::vector<std::string>& list, const std::string& what, const at::Tensor& a,
                     const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return;
  if (a.sizes() != b.sizes()) {
    list.push_back(what + " of another shape");
  } else if (!at::equal(a, b)) {
    const double size = a.norm().item<double>();
    list.push_back(what + " by " + percent((a - b).norm().item<double>() / (size > 0 ? size : 1)));
  }
}

FactDifference compare_facts(const EditedFact& a, const EditedFact& b) {
  FactDifference result{a.request.id, {}};
  compare(result.what, "prompt", a.request.prompt, b.request.prompt);
  compare(result.what, "subject", a.request.subject, b.request.subject);
  compare(result.what, "target", a.request.target, b.request.target);
  compare(result.what, "was", a.request.was, b.request.was);
  compare(result.what, "layer", std::to_string(a.layer), std::to_string(b.layer));
  compare(result.what, "status", a.status, b.status);
  compare_tensors(result.what, "keys", a.keys, b.keys);
  compare_tensors(result.what, "residual", a.residual, b.residual);
  return result;
}

std::vector<FactDifference> compare_all_facts(const Patch& a, const Patch& b) {
  std::vector<FactDifference> list;
  const auto find = [](const Patch& patch, const std::string& id) {
    return std::find_if(patch.edit.facts.begin(), patch.edit.facts.end(),
                        [&](const EditedFact& fact) { return fact.request.id == id; });
  };
  for (const EditedFact& fact : a.edit.facts) {
    const auto other = find(b, fact.request.id);
    FactDifference difference = other == b.edit.facts.end()
                                    ? FactDifference{fact.request.id, {"only in the first"}}
                                    : compare_facts(fact, *other);
    if (!difference.what.empty()) list.push_back(std::move(difference));
  }
  for (const EditedFact& fact : b.edit.facts)
    if (find(a, fact.request.id) == a.edit.facts.end())
      list.push_back({fact.request.id, {"only in the second"}});
  return list;
}

// <B A, B' A'> without either product: the trace of (B^T B') (A' A^T).
double inner_product(const WeightChange& x, const WeightChange& y) {
  if (x.A.size(1) != y.A.size(1) || x.B.size(0) != y.B.size(0)) return 0;
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  return (at::matmul(wide(x.B).t(), wide(y.B)) * at::matmul(wide(x.A), wide(y.A).t())).sum().item<double>();
}

std::vector<LayerDifference> compare_layers(const Patch& a, const Patch& b) {
  std::map<int, std::pair<const WeightChange*, const WeightChange*>> layers;
  for (const WeightChange& change : a.edit.changes) layers[change.block].first = &change;
  for (const WeightChange& change : b.edit.changes) layers[change.block].second = &change;
  std::vector<LayerDifference> list;
  for (const auto& [layer, changes] : layers) {
    const auto& [x, y] = changes;
    const double xx = x == nullptr ? 0 : inner_product(*x, *x);
    const double yy = y == nullptr ? 0 : inner_product(*y, *y);
    const bool equal = x != nullptr && y != nullptr && at::equal(x->A, y->A) && at::equal(x->B, y->B);
    const double xy = equal ? xx : x == nullptr || y == nullptr ? 0 : inner_product(*x, *y);
    const double size = std::sqrt(xx * yy);
    list.push_back({layer, std::sqrt(xx), std::sqrt(yy),
                    equal ? 0 : std::sqrt(std::max(xx + yy - 2 * xy, 0.0)), size > 0 ? xy / size : 0});
  }
  return list;
}

}  // namespace

PatchDifference diff_patches(const Patch& first, const Patch& second) {
  PatchDifference result;
  result.settings = compare_settings(first, second);
  result.facts = compare_all_facts(first, second);
  result.layers = compare_layers(first, second);
  result.same = result.settings.empty() && result.facts.empty() &&
                std::all_of(result.layers.begin(), result.layers.end(),
                            [](const LayerDifference& layer) { return layer.difference == 0; });
  return result;
}

}  // namespace emend
