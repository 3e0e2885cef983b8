#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/strings.h"
#include "delivery/change_products.h"
#include "emend/patch_algebra.h"
#include "linalg/response_solver.h"

namespace emend {
namespace {

void compare(std::vector<std::string>& list, const std::string& what, const std::string& a,
             const std::string& b) {
  if (a != b)
    list.push_back(fmt::format("{}: {} / {}", what, a.empty() ? "none" : a, b.empty() ? "none" : b));
}

std::set<WeightRef> weights_of(const Patch& a, const Patch& b) {
  std::set<WeightRef> weights;
  for (const Patch* const patch : {&a, &b})
    for (const WeightChange& change : patch->edit.changes) weights.insert(change.weight);
  return weights;
}

// How many statistics there are among the weights of a patch.
bool has_one_statistics(const Patch& patch) {
  std::set<std::string> different;
  for (const WeightSolve& solve : patch.edit.solves) different.insert(solve.statistics_fingerprint);
  return different.size() < 2;
}

std::string number_or_none(double value) {
  return value == 0 ? "" : fmt::format("{:.6g}", value);
}

// What is written of the solves of both patches, in the order in which it is told.
struct SolveField {
  const char* name;
  std::string (*text)(const WeightSolve&);
};
constexpr std::array kSolveFields = {
    SolveField{"rule", [](const WeightSolve& solve) { return std::string(to_string(solve.rule)); }},
    SolveField{"ridge", [](const WeightSolve& solve) { return number_or_none(solve.relative_ridge); }},
    SolveField{"lambda", [](const WeightSolve& solve) { return number_or_none(solve.lambda); }},
    SolveField{"lambda of several facts",
               [](const WeightSolve& solve) { return number_or_none(solve.lambda_of_several); }},
    SolveField{"null space below",
               [](const WeightSolve& solve) { return number_or_none(solve.null_space_threshold); }}};

// The one value of all solves of a patch; std::nullopt if they have several.
std::optional<std::string> one_value(const Patch& patch, const SolveField& field) {
  std::set<std::string> values;
  for (const WeightSolve& solve : patch.edit.solves) values.insert(field.text(solve));
  return values.size() == 1 ? std::optional(*values.begin()) : std::nullopt;
}

// Once where each patch has one value, otherwise for each weight that both change.
void compare_solves(std::vector<std::string>& list, const Patch& a, const Patch& b) {
  for (const SolveField& field : kSolveFields) {
    const auto first = one_value(a, field), second = one_value(b, field);
    if (first && second) {
      compare(list, field.name, *first, *second);
      continue;
    }
    for (const WeightSolve& solve : a.edit.solves)
      if (const WeightSolve* const other = b.edit.solve_of(solve.weight))
        compare(list, fmt::format("{} of layer {}", field.name, solve.weight.block), field.text(solve),
                field.text(*other));
  }
}

std::vector<std::string> compare_settings(const Patch& a, const Patch& b) {
  std::vector<std::string> list;
  compare(list, "base", a.edit.base_fingerprint, b.edit.base_fingerprint);
  if (has_one_statistics(a) && has_one_statistics(b))
    compare(list, "statistics", a.edit.statistics_fingerprint(), b.edit.statistics_fingerprint());
  else
    for (const WeightRef& weight : weights_of(a, b))
      compare(list, fmt::format("statistics of layer {}", weight.block),
              a.edit.statistics_fingerprint(weight), b.edit.statistics_fingerprint(weight));
  compare_solves(list, a, b);
  compare(list, "method", a.edit.method, b.edit.method);
  compare(list, "objective", std::string(to_string(a.edit.objective)),
          std::string(to_string(b.edit.objective)));
  compare(list, "bos", a.bos, b.bos);
  compare(list, "form", std::string(to_string(a.form)), std::string(to_string(b.form)));
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

// ||a - b|| / ||a||, or nothing when they are equal.
void compare_tensors(std::vector<std::string>& list, const std::string& what, const at::Tensor& a,
                     const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return;
  if (a.sizes() != b.sizes()) {
    list.push_back(what + " of another shape");
  } else if (!at::equal(a, b)) {
    const double size = norm_of(a);
    list.push_back(fmt::format("{} by {:.3g} %", what, 100 * (norm_of(a - b) / (size > 0 ? size : 1))));
  }
}

std::string layers_text(const FactRecord& fact) {
  std::vector<std::string> layers;
  for (const FactPart& part : fact.parts) layers.push_back(std::to_string(part.weight.block));
  return join(layers);
}

bool same_neighbours(const std::vector<Neighbour>& a, const std::vector<Neighbour>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Neighbour& x, const Neighbour& y) {
    return x.prompt == y.prompt && x.answer == y.answer;
  });
}

bool same_other_subjects(const std::vector<OtherSubject>& a, const std::vector<OtherSubject>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const OtherSubject& x, const OtherSubject& y) {
    return x.subject == y.subject && x.answer == y.answer;
  });
}

FactDifference compare_facts(const FactRecord& a, const FactRecord& b) {
  FactDifference result{a.request.id, {}};
  compare(result.what, "prompt", a.request.prompt, b.request.prompt);
  compare(result.what, "subject", a.request.subject, b.request.subject);
  compare(result.what, "place of the subject", std::to_string(a.request.subject_begin),
          std::to_string(b.request.subject_begin));
  compare(result.what, "target", a.request.target, b.request.target);
  compare(result.what, "was", a.request.was, b.request.was);
  if (a.request.paraphrases != b.request.paraphrases) result.what.emplace_back("other paraphrases");
  if (!same_neighbours(a.request.neighbours, b.request.neighbours))
    result.what.emplace_back("other neighbours");
  if (!same_other_subjects(a.request.bleed, b.request.bleed))
    result.what.emplace_back("other subjects of the bleed");
  compare(result.what, a.parts.size() == 1 && b.parts.size() == 1 ? "layer" : "layers", layers_text(a),
          layers_text(b));
  compare(result.what, "status", std::string(to_string(a.status)), std::string(to_string(b.status)));
  for (const FactPart& part : a.parts) {
    const FactPart* const other = b.part_at(part.weight);
    const std::string where = a.parts.size() == 1 ? "" : fmt::format(" at layer {}", part.weight.block);
    if (other == nullptr) continue;
    compare_tensors(result.what, "keys" + where, part.keys, other->keys);
    compare_tensors(result.what, "answers" + where, part.answers, other->answers);
    compare_tensors(result.what, "residual" + where, part.residual, other->residual);
  }
  return result;
}

// The facts of a patch by id; of two with one id the first. The patch outlives it.
std::unordered_map<std::string_view, const FactRecord*> facts_by_id(const Patch& patch) {
  std::unordered_map<std::string_view, const FactRecord*> facts;
  facts.reserve(patch.edit.facts.size());
  for (const FactRecord& fact : patch.edit.facts) facts.try_emplace(fact.request.id, &fact);
  return facts;
}

std::vector<FactDifference> compare_all_facts(const Patch& a, const Patch& b) {
  const auto of_a = facts_by_id(a), of_b = facts_by_id(b);
  std::vector<FactDifference> list;
  for (const FactRecord& fact : a.edit.facts) {
    const auto other = of_b.find(fact.request.id);
    FactDifference difference = other == of_b.end() ? FactDifference{fact.request.id, {"only in the first"}}
                                                    : compare_facts(fact, *other->second);
    if (!difference.what.empty()) list.push_back(std::move(difference));
  }
  for (const FactRecord& fact : b.edit.facts)
    if (!of_a.contains(fact.request.id)) list.push_back({fact.request.id, {"only in the second"}});
  return list;
}

bool same_change(const WeightChange& x, const WeightChange& y) {
  if (x.is_dense() != y.is_dense()) return false;
  return x.is_dense() ? at::equal(x.D, y.D) : at::equal(x.A, y.A) && at::equal(x.B, y.B);
}

std::vector<LayerDifference> compare_layers(const Patch& a, const Patch& b) {
  std::map<WeightRef, std::pair<const WeightChange*, const WeightChange*>> weights;
  for (const WeightChange& change : a.edit.changes) weights[change.weight].first = &change;
  for (const WeightChange& change : b.edit.changes) weights[change.weight].second = &change;
  std::vector<LayerDifference> list;
  for (const auto& [weight, changes] : weights) {
    const auto& [x, y] = changes;
    const bool equal = x != nullptr && y != nullptr && same_change(*x, *y);
    const ChangeProducts products = equal ? products_of_equals(*x) : products_of(x, y);
    const double size = std::sqrt(products.xx * products.yy);
    list.push_back({weight.block, std::sqrt(products.xx), std::sqrt(products.yy),
                    std::sqrt(std::max(products.difference, 0.0)), size > 0 ? products.xy / size : 0});
  }
  return list;
}

// The same weights by the same numbers. A difference of norms would not tell: a small one cancels to 0.
bool same_changes(const Edit& a, const Edit& b) {
  return a.changes.size() == b.changes.size() &&
         std::all_of(a.changes.begin(), a.changes.end(), [&](const WeightChange& change) {
           const WeightChange* const other = b.change_of(change.weight);
           return other != nullptr && same_change(change, *other);
         });
}

}  // namespace

PatchDifference diff_patches(const Patch& first, const Patch& second) {
  PatchDifference result;
  result.settings = compare_settings(first, second);
  result.facts = compare_all_facts(first, second);
  result.layers = compare_layers(first, second);
  result.same = result.settings.empty() && result.facts.empty() && same_changes(first.edit, second.edit);
  return result;
}

}  // namespace emend
