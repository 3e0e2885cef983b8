#include "model/project.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <memory>

#include "model/linear_rows.h"

namespace emend {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Which matrix of which block, for the graph.
struct LentMatrix : torch::CustomClassHolder {
  LentMatrix(const BlockWeights& weights, BlockMatrix which)
      : reader(weights.lender), block(weights.number), matrix(which) {}

  std::shared_ptr<BlockReader> reader;
  int block;
  BlockMatrix matrix;
};

// x W^T + b and its gradient with respect to x, dy W: both as linear_rows has them, but W is read again.
class LentProjection : public torch::autograd::Function<LentProjection> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const BlockWeights& weights,
                            BlockMatrix matrix, BlockMatrix bias) {
    context->saved_data["matrix"] =
        at::IValue::make_capsule(c10::make_intrusive<LentMatrix>(weights, matrix));
    return linear_rows(x, weights.*matrix, weights.*bias);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto capsule = context->saved_data["matrix"].toCapsule();
    const auto& lent = static_cast<const LentMatrix&>(*capsule);
    const at::Tensor dx = at::mm(gradients[0], lent.reader->matrix(lent.block, lent.matrix));
    return {dx, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor project(const at::Tensor& x, const BlockWeights& weights, BlockMatrix matrix, BlockMatrix bias) {
  const bool takes_gradients = c10::GradMode::is_enabled() && x.requires_grad();
  if (takes_gradients && weights.lender && weights.lender->is_lent(weights.*matrix))
    return LentProjection::apply(x, weights, matrix, bias);
  return linear_rows(x, weights.*matrix, weights.*bias);
}

}  // namespace emend
