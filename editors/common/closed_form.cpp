#include "editors/common/closed_form.h"

#include <ATen/ATen.h>

#include <cmath>
#include <limits>

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

at::Tensor key_response(const KeyMetric& metric, const at::Tensor& K, const at::Tensor& y) {
  const at::Tensor solved = metric.solve(K);          // C^-1 K
  const at::Tensor gram = at::matmul(K.t(), solved);  // K^T C^-1 K
  // Scaled to unit diagonal: keys differ in length by orders of magnitude (a BOS key against a subject's).
  const at::Tensor scale = gram.diagonal().rsqrt().unsqueeze(1);
  auto [lower, status] = at::linalg_cholesky_ex(gram * scale * scale.t());
  if (status.item<int>() != 0)
    throw Error(ErrorKind::kNumeric,
                "the edits' keys are linearly dependent; their residuals cannot all be written");
  const at::Tensor right = y.dim() == 1 ? y.unsqueeze(1) : y;
  const at::Tensor weights = scale * at::cholesky_solve(scale * right, lower, /*upper=*/false);
  const at::Tensor a = at::matmul(solved, weights);
  return y.dim() == 1 ? a.squeeze(1) : a;
}

at::Tensor joint_keys(const std::vector<KeyConstraint>& edits, const at::Tensor& protected_key) {
  std::vector<at::Tensor> all;
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

WeightChange closed_form_change(int layer, const std::vector<at::Tensor>& responses,
                                const std::vector<at::Tensor>& residuals) {
  return {layer, at::stack(responses, 0).to(at::kFloat).contiguous(),
          at::stack(residuals, 1).to(at::kFloat).contiguous()};
}

at::Tensor key_cosines(const KeyMetric& metric, const at::Tensor& K) {
  const at::Tensor gram = at::matmul(K.t(), metric.solve(K));
  const at::Tensor scale = gram.diagonal().rsqrt().unsqueeze(1);
  return gram * scale * scale.t();
}

double gram_condition(const at::Tensor& gram) {
  const at::Tensor values = at::linalg_eigvalsh(gram);
  const double low = values[0].item<double>(), high = values[-1].item<double>();
  return low > 0 ? high / low : std::numeric_limits<double>::infinity();
}

}  // namespace emend
