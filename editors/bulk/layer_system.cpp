#include "editors/bulk/layer_system.h"

#include <ATen/ATen.h>

#include <utility>

#include "editors/common/edit_parts.h"
#include "linalg/response_solver.h"
#include "model/weight_change.h"

namespace emend::editors {

namespace {

// The keys where the constraints are measured, side by side [F, n] float64.
at::Tensor measured_keys(const std::vector<KeyConstraint>& constraints) {
  std::vector<at::Tensor> keys;
  for (const KeyConstraint& constraint : constraints) keys.push_back(constraint.K.select(1, 0));
  return at::stack(keys, 1);
}

RealisedShare compare(const at::Tensor& given, const at::Tensor& wanted) {
  const at::Tensor squares = at::clamp_min(wanted.square().sum(1), 1e-30);
  const at::Tensor asked = wanted.norm(2, 1) > 1e-12;
  RealisedShare share;
  if (!asked.any().item<bool>()) return {1, 1, 0};
  const at::Tensor shares = ((given * wanted).sum(1) / squares).masked_select(asked);
  share.mean = shares.mean().item<double>();
  share.least = shares.min().item<double>();
  share.missing = (given - wanted).norm().item<double>() / wanted.norm().item<double>();
  return share;
}

}  // namespace

LayerSystem::LayerSystem(const Preserve& preserve, at::Tensor weight, std::vector<CarriedGroup> carried)
    : preserve_(preserve),
      weight_(std::move(weight)),
      norm_(weight_.to(at::kFloat).norm().item<double>()),
      carried_(std::move(carried)) {
  solve();
}

// What the change adds at these keys [F, n] float64: [n, D].
at::Tensor LayerSystem::given_at(const at::Tensor& keys) const {
  if (groups() == 0 || !change_.A.defined()) return at::zeros({keys.size(1), weight_.size(0)}, at::kDouble);
  return at::matmul(at::matmul(keys.t(), change_.A.t().to(at::kDouble)), change_.B.t().to(at::kDouble));
}

RealisedShare LayerSystem::add(const std::vector<KeyConstraint>& constraints, const at::Tensor& more) {
  const at::Tensor keys = measured_keys(constraints);
  const at::Tensor before = given_at(keys), wanted = more.to(at::kDouble);
  const at::Tensor known = fresh_.empty() ? before : residuals_.to(at::kDouble);
  fresh_ = constraints;
  residuals_ = (known + wanted).to(at::kFloat);
  solve();
  return compare(given_at(keys) - before, wanted);
}

void LayerSystem::solve() {
  std::vector<KeyConstraint> constraints;
  std::vector<at::Tensor> residuals;
  for (const CarriedGroup& group : carried_) {
    constraints.push_back(group.constraint);
    residuals.push_back(group.residual.to(at::kFloat));
  }
  for (std::size_t g = 0; g < fresh_.size(); ++g) {
    constraints.push_back(fresh_[g]);
    residuals.push_back(residuals_[static_cast<std::int64_t>(g)]);
  }
  if (constraints.empty()) return;
  responses_ = preserve_.responses(join_constraints(constraints)).to(at::kCPU);
  change_ = closed_form_change(weight(), responses_.unbind(1), residuals);
}

at::Tensor LayerSystem::changed() const {
  return groups() == 0 ? weight_ : changed_weight(weight_, change_);
}

FactPart LayerSystem::part(std::size_t g) const {
  const auto row = static_cast<std::int64_t>(carried_.size() + g);
  FactPart part = fact_part(weight(), fresh_[g], responses_.select(1, row),
                            residuals_[static_cast<std::int64_t>(g)].contiguous(), norm_);
  part.rows = {row};
  return part;
}

void LayerSystem::book_carried(std::vector<FactRecord>& facts) const {
  for (std::size_t c = 0; c < carried_.size(); ++c) {
    const auto row = static_cast<std::int64_t>(c);
    for (const std::size_t i : carried_[c].facts)
      for (FactPart& part : facts[i].parts) {
        if (part.weight != weight()) continue;
        part.rows = {row};
        part.update_norm = rank_one_norm(part.residual, responses_.select(1, row));
        part.relative_norm = part.update_norm / norm_;
      }
  }
}

}  // namespace emend::editors
