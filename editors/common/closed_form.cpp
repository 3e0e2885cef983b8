#include "editors/common/closed_form.h"

#include <ATen/ATen.h>

#include <cmath>

#include "emend/error.h"

namespace emend {

namespace {

constexpr double kOrthogonal =
    1e-12;  // a product of two vectors below this share of their lengths is rounding

at::Tensor with_column(const at::Tensor& K, const at::Tensor& column) {
  return column.defined() ? at::cat({K, column.unsqueeze(1)}, 1) : K;
}

}  // namespace

KeyConstraint with_protected(const KeyConstraint& constraint, const at::Tensor& key) {
  if (!key.defined()) return constraint;
  return {with_column(constraint.K, key), at::cat({constraint.y, at::zeros({1}, at::kDouble)})};
}

at::Tensor joint_keys(const std::vector<KeyConstraint>& edits, const at::Tensor& protected_key) {
  std::vector<at::Tensor> all;
  all.reserve(edits.size());
  for (const KeyConstraint& edit : edits) all.push_back(edit.K);
  return with_column(at::cat(all, 1), protected_key);
}

at::Tensor joint_key_response(const KeyMetric& metric, const std::vector<KeyConstraint>& edits,
                              const at::Tensor& protected_key) {
  const at::Tensor K = joint_keys(edits, protected_key);
  const at::Tensor Y = at::zeros({K.size(1), static_cast<std::int64_t>(edits.size())}, at::kDouble);
  std::int64_t first_key = 0;
  for (std::size_t g = 0; g < edits.size(); ++g) {
    const std::int64_t keys = edits[g].K.size(1);
    Y.narrow(0, first_key, keys).select(1, static_cast<std::int64_t>(g)).copy_(edits[g].y);
    first_key += keys;
  }
  return key_response(metric, K, Y);
}

std::optional<at::Tensor> published_response(const KeyMetric& metric, const at::Tensor& direction_key,
                                             const at::Tensor& answer_key) {
  const at::Tensor u = metric.solve(direction_key.unsqueeze(1)).squeeze(1);
  const double product = at::dot(u, answer_key).item<double>();
  if (std::abs(product) < kOrthogonal * u.norm().item<double>() * answer_key.norm().item<double>())
    return std::nullopt;
  return u / product;
}

WeightChange closed_form_change(const WeightRef& weight, const std::vector<at::Tensor>& responses,
                                const std::vector<at::Tensor>& residuals) {
  return WeightChange::low_rank(weight, at::stack(responses, 0).to(at::kFloat).contiguous(),
                                at::stack(residuals, 1).to(at::kFloat).contiguous());
}

}  // namespace emend
