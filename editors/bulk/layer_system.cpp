#include "editors/bulk/layer_system.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "editors/common/edit_parts.h"
#include "linalg/response_solver.h"
#include "linalg/where_it_fits.h"
#include "model/weight_change.h"

namespace emend::editors {

namespace {

// The keys where the constraints are measured, side by side [F, n] float64.
at::Tensor measured_keys(const std::vector<KeyConstraint>& constraints) {
  std::vector<at::Tensor> keys;
  for (const KeyConstraint& constraint : constraints) keys.push_back(constraint.K.select(1, 0));
  return at::stack(keys, 0).t();
}

// K^T A^T B^T [n, D] for keys K [F, n], A^T [F, q] and B^T [q, D], in the order that takes fewer operations:
// by the change A^T B^T, or by the keys' shares K^T A^T.
at::Tensor given_by(const at::Tensor& K, const at::Tensor& A_T, const at::Tensor& B_T) {
  const std::int64_t F = A_T.size(0), q = A_T.size(1), D = B_T.size(1), n = K.size(1);
  if (F * D * (q + n) < n * q * (F + D)) return at::matmul(K.t(), at::matmul(A_T, B_T));
  return at::matmul(at::matmul(K.t(), A_T), B_T);
}

// Over the rows of [n, D] float64 that ask for something.
RealisedShare compare(const at::Tensor& given, const at::Tensor& wanted) {
  const at::Tensor squares = at::clamp_min(wanted.square().sum(1), 1e-30);
  const at::Tensor asked = wanted.norm(2, 1) > 1e-12;
  RealisedShare share;
  if (!asked.any().item<bool>()) return {1, 1, 0, 0};
  const at::Tensor shares = ((given * wanted).sum(1) / squares).masked_select(asked);
  share.mean = shares.mean().item<double>();
  share.least = shares.min().item<double>();
  share.missing = (given - wanted).norm().item<double>() / wanted.norm().item<double>();
  return share;
}

bool is_equal(const KeyConstraint& one, const KeyConstraint& other) {
  return at::equal(one.K, other.K) && at::equal(one.y, other.y);
}

}  // namespace

LayerSystem::LayerSystem(const Preserve& preserve, at::Tensor weight, std::vector<CarriedGroup> carried,
                         WeightChange known)
    : preserve_(preserve),
      weight_(std::move(weight)),
      norm_(weight_.to(at::kFloat).norm().item<double>()),
      carried_(std::move(carried)),
      change_(std::move(known)) {}

// What the change adds at these keys [F, n] float64: [n, D].
at::Tensor LayerSystem::given_at(const at::Tensor& keys) const {
  if (change_.is_dense()) return at::matmul(keys.t(), change_.D.t().to(at::kDouble));
  if (!change_.A.defined()) return at::zeros({keys.size(1), weight_.size(0)}, at::kDouble);
  return given_by(keys, change_.A.t().to(at::kDouble), change_.B.t().to(at::kDouble));
}

void LayerSystem::add(const std::vector<KeyConstraint>& constraints, const at::Tensor& more) {
  if (!change_.A.defined() && !change_.is_dense()) solve();
  asked_ = {given_at(measured_keys(constraints)), more.to(at::kDouble)};
  const at::Tensor known = fresh_.empty() ? asked_.before : residuals_.to(at::kDouble);
  residuals_ = (known + asked_.more).to(at::kFloat);
  take(carried_, constraints);
}

void LayerSystem::replace(std::vector<CarriedGroup> carried, const std::vector<KeyConstraint>& constraints,
                          const at::Tensor& residuals) {
  asked_ = {};
  residuals_ = residuals;
  take(std::move(carried), constraints);
}

// Responses depend on keys and answers alone: where these are the ones that were solved before, as at a first
// layer in every round, they stay.
void LayerSystem::take(std::vector<CarriedGroup> carried, const std::vector<KeyConstraint>& constraints) {
  std::vector<KeyConstraint> before;
  if (responses_.defined()) before = all_constraints();
  carried_ = std::move(carried);
  fresh_ = constraints;
  const std::vector<KeyConstraint> now = all_constraints();
  if (!std::ranges::equal(before, now, is_equal)) responses_.reset();
  change_ = {};
  solve();
}

std::vector<KeyConstraint> LayerSystem::all_constraints() const {
  std::vector<KeyConstraint> constraints;
  for (const CarriedGroup& group : carried_) constraints.push_back(group.constraint);
  constraints.insert(constraints.end(), fresh_.begin(), fresh_.end());
  return constraints;
}

// [groups, D] float64: carried facts first, as in the rows of the change.
at::Tensor LayerSystem::all_residuals() const {
  std::vector<at::Tensor> residuals;
  for (const CarriedGroup& group : carried_) residuals.push_back(group.residual.to(at::kDouble));
  for (std::size_t g = 0; g < fresh_.size(); ++g)
    residuals.push_back(residuals_[static_cast<std::int64_t>(g)].to(at::kDouble));
  return at::stack(residuals);
}

void LayerSystem::solve() {
  if (groups() == 0 || (responses_.defined() && change_.A.defined())) return;
  // One response a row in memory, since each is read alone from here on.
  if (!responses_.defined())
    responses_ = preserve_.responses(join_constraints(all_constraints())).t().contiguous().t();
  change_ = closed_form_change(weight(), responses_.unbind(1), all_residuals().to(at::kFloat).unbind(0));
}

// The same as given_at where that is a large product: [n, D] float64 on the CPU.
at::Tensor LayerSystem::given_at_all(const at::Tensor& keys) const {
  return where_it_fits(weight_.device(), [&](const at::Device& device) {
    const at::TensorOptions there = at::TensorOptions(device).dtype(at::kFloat);
    return at::matmul(keys.t().to(there), change_.delta(there).t()).to(at::kCPU, at::kDouble);
  });
}

RealisedShare LayerSystem::realised() const {
  if (groups() == 0) return {};
  const JointConstraints joint = join_constraints(all_constraints());
  const at::Tensor residuals = all_residuals();
  const at::Tensor given = given_at_all(joint.K), wanted = at::mm(joint.Y, residuals);
  const at::Tensor of_facts = given.index_select(0, at::tensor(joint.first, at::kLong));
  const bool alone = asked_.more.defined();
  const auto carried = static_cast<std::int64_t>(carried_.size());
  RealisedShare share =
      alone ? compare(of_facts.slice(0, carried) - asked_.before, asked_.more) : compare(of_facts, residuals);
  share.missing_at_all_keys =
      (given - wanted).norm().item<double>() / std::max(wanted.norm().item<double>(), 1e-30);
  return share;
}

at::Tensor LayerSystem::changed() const {
  return groups() == 0 ? weight_ : changed_weight(weight_, change_);
}

FactPart LayerSystem::part_of_row(std::size_t row, const KeyConstraint& constraint,
                                  const at::Tensor& residual) const {
  const auto column = static_cast<std::int64_t>(row);
  FactPart part = fact_part(weight(), constraint, responses_.select(1, column), residual.contiguous(), norm_);
  part.rows = {column};
  return part;
}

FactPart LayerSystem::part(std::size_t g) const {
  return part_of_row(carried_.size() + g, fresh_[g], residuals_[static_cast<std::int64_t>(g)]);
}

FactPart LayerSystem::carried_part(std::size_t c) const {
  return part_of_row(c, carried_[c].constraint, carried_[c].residual);
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
