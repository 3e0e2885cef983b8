#include "model/weight_change.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "emend/error.h"

namespace emend {

void require_fit(const Model& model, const std::vector<WeightChange>& changes) {
  const ModelConfig& config = model.config();
  for (const WeightChange& change : changes)
    if (change.block < 0 || change.block >= config.layers || change.A.size(1) != config.d_ff ||
        change.B.size(0) != config.d_model || change.A.size(0) != change.B.size(1))
      throw Error(ErrorKind::kModel,
                  "a change of block " + std::to_string(change.block) + " of size " +
                      std::to_string(change.B.size(0)) + " x " + std::to_string(change.A.size(1)) +
                      " does not fit a model of " + std::to_string(config.layers) + " blocks with " +
                      std::to_string(config.d_model) + " x " + std::to_string(config.d_ff));
}

at::Tensor changed_weight(const at::Tensor& weight, const WeightChange& change) {
  const c10::NoGradGuard no_grad;
  const at::Tensor delta =
      at::matmul(change.B.to(weight.device(), at::kFloat), change.A.to(weight.device(), at::kFloat));
  return (weight.to(at::kFloat) + delta).to(weight.scalar_type());
}

}  // namespace emend
