#include "model/attention_gradient.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace emend {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// mask + q k^T scale in float32 of 16-bit q and k, which are kept as they are: torch's product of that kind
// has no gradient.
class WideScores : public torch::autograd::Function<WideScores> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& mask, const at::Tensor& q,
                            const at::Tensor& k, double scale) {
    context->save_for_backward({q, k});
    context->saved_data["scale"] = scale;
    return at::baddbmm(mask, q, k.transpose(1, 2), at::kFloat, 1, scale);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1];
    const at::Tensor dscores = (gradients[0] * context->saved_data["scale"].toDouble()).to(q.scalar_type());
    return {at::Tensor(), at::bmm(dscores, k), at::bmm(dscores.transpose(1, 2), q), at::Tensor()};
  }
};

at::Tensor flat(const at::Tensor& x) {
  return x.reshape({-1, x.size(2), x.size(3)});
}

}  // namespace

at::Tensor attend_with_gradient(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values,
                                const ScoreRule& rule, const at::Tensor& mask) {
  const bool is_one = mask.size(0) == 1 && mask.size(1) == 1;
  const at::Tensor hidden =
      (is_one ? mask.squeeze(1) : flat(mask.expand({queries.size(0), queries.size(1), -1, -1})))
          .to(at::kFloat);
  const at::Tensor q = flat(queries), k = flat(keys);
  const bool capped = rule.soft_cap > 0;  // then the mask comes behind the cap
  const at::Tensor added = capped ? at::zeros({1, 1, 1}, hidden.options()).expand_as(hidden) : hidden;
  const at::Tensor scores = q.scalar_type() == at::kFloat
                                ? at::baddbmm(added, q, k.transpose(1, 2), 1, rule.scale)
                                : WideScores::apply(added, q, k, rule.scale);
  return attend(scores, capped ? hidden : at::Tensor(), flat(values), rule.soft_cap).view(queries.sizes());
}

}  // namespace emend
