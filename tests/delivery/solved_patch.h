// Patches of made-up facts at made-up layers, solved a second, plain way.
#pragma once

#include <ATen/ATen.h>

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "emend/patch.h"

namespace emend::test {

inline constexpr std::int64_t kInner = 12, kModel = 5;

inline at::Tensor waves(const std::vector<std::int64_t>& shape, double seed) {
  std::int64_t count = 1;
  for (const std::int64_t n : shape) count *= n;
  return at::sin(at::arange(count, at::kDouble) * (1.3 + 0.1 * seed) + seed).to(at::kFloat).reshape(shape);
}

inline at::Tensor second_moment() {
  const at::Tensor keys = waves({40, kInner}, 3).to(at::kDouble);
  return at::matmul(keys.t(), keys) / 40 + 0.1 * at::eye(kInner, at::kDouble);
}

// A protected key, the same for all, and a key of its own.
inline FactPart part(int layer, double seed) {
  FactPart result;
  result.weight = {layer, Role::kMlpDown};
  result.keys = at::stack({waves({kInner}, seed), waves({kInner}, 77)});
  result.answers = at::tensor({1.0F, 0.0F});
  result.residual = waves({kModel}, seed + 1);
  result.update_norm = 1;
  result.relative_norm = 0.5;
  return result;
}

inline FactRecord fact(const std::string& id, double seed, const std::vector<int>& layers = {2}) {
  FactRecord result;
  result.request.id = id;
  result.request.prompt = "p " + id;
  result.request.subject = id;
  result.request.subject_begin = 2;
  result.request.target = "t";
  for (const int layer : layers)
    result.parts.push_back(part(layer, seed + 5.3 * static_cast<double>(result.parts.size())));
  return result;
}

// The change of a layer as a joint solve of the facts that write there gives it; sets their rows.
inline WeightChange joint_change(std::vector<FactRecord>& facts, int layer) {
  const WeightRef weight{layer, Role::kMlpDown};
  const at::Tensor C = second_moment();
  const at::Tensor ridge = C + 0.01 * C.trace() / static_cast<double>(kInner) * at::eye(kInner, at::kDouble);
  std::vector<at::Tensor> keys, residuals;
  for (FactRecord& one : facts)
    for (FactPart& own : one.parts)
      if (one.is_edited() && own.weight == weight) {
        own.rows = {static_cast<std::int64_t>(residuals.size())};
        keys.push_back(own.keys[0].to(at::kDouble));
        residuals.push_back(own.residual);
      }
  keys.push_back(waves({kInner}, 77).to(at::kDouble));
  const at::Tensor K = at::stack(keys, 1);
  const at::Tensor CK = at::linalg_solve(ridge, K);
  const at::Tensor A =
      at::linalg_solve(at::matmul(K.t(), CK), CK.t());  // rows answer 1 on one key, 0 on the others
  const auto n = static_cast<std::int64_t>(residuals.size());
  return WeightChange::low_rank(weight, A.narrow(0, 0, n).to(at::kFloat).contiguous(),
                                at::stack(residuals, 1));
}

// Facts as a joint solve of each of their layers writes them.
inline Patch solved(const std::vector<FactRecord>& facts) {
  Patch patch;
  patch.edit.method = "rome";
  patch.edit.options = {{"keys", "context+bare"}, {"ridge", "0.01"}, {"covariance", "true"}};
  patch.edit.base_fingerprint = "ab";
  patch.edit.facts = facts;
  std::set<int> layers;
  for (const FactRecord& one : facts)
    for (const FactPart& own : one.parts) layers.insert(own.weight.block);
  for (const int layer : layers) {
    patch.edit.changes.push_back(joint_change(patch.edit.facts, layer));
    WeightSolve solve;
    solve.weight = {layer, Role::kMlpDown};
    solve.statistics_fingerprint = "cd";
    solve.relative_ridge = 0.01;
    patch.edit.solves.push_back(solve);
  }
  patch.passed = true;
  return patch;
}

// Moments of 20 keys within 6 dimensions and a little in all others: a null space of F - 6 directions below
// 0.01.
inline at::Tensor flat_moment() {
  const at::Tensor axes = std::get<0>(at::linalg_qr(waves({kInner, 6}, 8).to(at::kDouble)));
  const at::Tensor keys =
      at::matmul(waves({20, 6}, 4).to(at::kDouble) + at::eye(20, 6, at::kDouble), axes.t());
  return at::matmul(keys.t(), keys) / 20 + 0.001 * at::eye(kInner, at::kDouble);
}

// The facts as the rule of `how` writes them at layer 2, by the formula of its paper in float64 and with
// plain inverses: (lambda (C + ridge I) + K K^T)^-1 K Y, and P (K K^T P + lambda I)^-1 K Y in the null space.
inline Patch solved_by(const WeightSolve& how, const std::vector<FactRecord>& facts, const at::Tensor& C) {
  Patch patch = solved(facts);
  patch.edit.solves[0] = how;
  std::vector<at::Tensor> keys;
  for (const FactRecord& one : facts) keys.push_back(one.parts[0].keys[0].to(at::kDouble));
  keys.push_back(waves({kInner}, 77).to(at::kDouble));
  const at::Tensor K = at::stack(keys, 1), I = at::eye(kInner, at::kDouble);
  const auto n = static_cast<std::int64_t>(facts.size());
  const at::Tensor KY = K.narrow(1, 0, n);
  at::Tensor A;
  if (how.rule == SolveRule::kNullSpace) {
    const auto [values, vectors] = at::linalg_eigh(C);
    const at::Tensor kept = (values < how.null_space_threshold).to(at::kDouble);
    const at::Tensor P = at::matmul(vectors * kept, vectors.t());
    A = at::matmul(at::linalg_inv(at::matmul(P, at::matmul(K, K.t())) + how.lambda * I), at::matmul(P, KY));
  } else {
    const at::Tensor ridged = C + how.relative_ridge * C.trace() / static_cast<double>(kInner) * I;
    A = at::matmul(at::linalg_inv(how.lambda * ridged + at::matmul(K, K.t())), KY);
  }
  patch.edit.changes[0].A = A.t().to(at::kFloat).contiguous();
  return patch;
}

inline at::Tensor product(const Patch& patch, std::size_t change = 0) {
  return patch.edit.changes.at(change).delta(at::TensorOptions(at::kFloat));
}

// How layer 2 is solved by a rule that weighs other text against the facts.
inline WeightSolve regularised(SolveRule rule) {
  WeightSolve how;
  how.weight = {2, Role::kMlpDown};
  how.rule = rule;
  how.statistics_fingerprint = "cd";
  how.lambda = 0.3;
  if (rule == SolveRule::kLeastSquares) how.relative_ridge = 0.01;
  if (rule == SolveRule::kNullSpace) how.null_space_threshold = 0.01;
  return how;
}

}  // namespace emend::test
