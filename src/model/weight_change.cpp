#include "model/weight_change.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "emend/error.h"

namespace emend {

std::pair<at::Tensor, at::Tensor> WeightChange::factors() const {
  if (is_dense()) return {D, at::eye(D.size(0), D.options())};
  return {A, B};
}

at::Tensor WeightChange::delta(const at::TensorOptions& like) const {
  if (is_dense()) return D.to(like);
  return at::matmul(B.to(like), A.to(like));
}

void require_fit(const WeightChange& change, const ModelConfig& config, const std::string& where,
                 ErrorKind kind) {
  const WeightRef& weight = change.weight;
  const bool has_weight =
      weight.role == Role::kMlpDown && weight.expert < 0 && weight.block >= 0 && weight.block < config.layers;
  const auto is_matrix = [](const at::Tensor& tensor) { return tensor.defined() && tensor.dim() == 2; };
  if (change.is_dense() ? !is_matrix(change.D) : !is_matrix(change.A) || !is_matrix(change.B))
    throw Error(kind, (where.empty() ? "" : where + ": ") + "a change of the " + weight_name(weight) +
                          " needs matrices: A and B, or D");
  const bool has_factors = change.is_dense() || change.A.size(0) == change.B.size(1);
  if (has_weight && has_factors && change.inputs() == config.d_ff && change.outputs() == config.d_model)
    return;
  throw Error(kind, (where.empty() ? "" : where + ": ") + "a change of the " + weight_name(weight) +
                        " of size " + std::to_string(change.outputs()) + " x " +
                        std::to_string(change.inputs()) + " does not fit a model of " +
                        std::to_string(config.layers) + " blocks with " + std::to_string(config.d_model) +
                        " x " + std::to_string(config.d_ff));
}

void require_fit(const Model& model, const std::vector<WeightChange>& changes) {
  for (const WeightChange& change : changes) require_fit(change, model.config());
}

at::Tensor changed_weight(const at::Tensor& weight, const WeightChange& change) {
  const c10::NoGradGuard no_grad;
  const at::Tensor delta = change.delta(weight.options().dtype(at::kFloat));
  return (weight.to(at::kFloat) + delta).to(weight.scalar_type());
}

}  // namespace emend
