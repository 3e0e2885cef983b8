#include "linalg/key_response.h"

#include <ATen/ATen.h>

#include <limits>

#include "emend/error.h"

namespace emend {

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
