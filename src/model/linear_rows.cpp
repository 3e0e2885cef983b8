#include "model/linear_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "model/linear_kernel.h"

namespace emend {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Multiplications that are worth a thread.
constexpr std::int64_t kThreadWork = 1 << 17;
// Columns that a thread takes at least, and whole tiles of the kernel.
constexpr std::int64_t kPanel = 16;

bool is_plain(const at::Tensor& t) {
  return t.is_cpu() && t.scalar_type() == at::kFloat && !t.is_sparse();
}

bool takes_gradients(const at::Tensor& t) {
  return c10::GradMode::is_enabled() && t.requires_grad();
}

bool has_few_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  const LinearKernel& kernel) {
  const bool fits = is_plain(x) && is_plain(weight) && x.dim() == 2 && weight.dim() == 2 &&
                    x.size(1) == weight.size(1) && weight.stride(1) == 1;
  if (!fits || x.size(0) < 1 || x.size(0) > kernel.most_rows || takes_gradients(weight)) return false;
  if (!bias.defined()) return true;
  const bool fits_columns = bias.dim() == 1 && bias.size(0) == weight.size(0) && bias.is_contiguous();
  return fits_columns && is_plain(bias) && !takes_gradients(bias);
}

at::Tensor product_of(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const LinearKernel& kernel) {
  const at::Tensor rows = x.contiguous();
  at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  const LinearRows product = {rows.const_data_ptr<float>(),
                              weight.const_data_ptr<float>(),
                              bias.defined() ? bias.const_data_ptr<float>() : nullptr,
                              y.data_ptr<float>(),
                              rows.size(0),
                              rows.size(1),
                              weight.size(0),
                              weight.stride(0)};
  const std::int64_t panels = (product.out + kPanel - 1) / kPanel;
  const std::int64_t panel_work = std::max<std::int64_t>(product.rows * product.in * kPanel, 1);
  const std::int64_t grain = std::max<std::int64_t>(kThreadWork / panel_work, 1);
  at::parallel_for(0, panels, grain, [&](std::int64_t begin, std::int64_t end) {
    kernel.run(product, begin * kPanel, std::min(end * kPanel, product.out));
  });
  return y;
}

// What meets the rows; the bias may be undefined.
struct Matrix {
  const at::Tensor &weight, &bias;
};

class FewRows : public torch::autograd::Function<FewRows> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const Matrix& matrix) {
    context->save_for_backward({matrix.weight});
    return product_of(x, matrix.weight, matrix.bias, *linear_kernel());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {at::mm(gradients[0], context->get_saved_variables()[0]), at::Tensor()};
  }
};

}  // namespace

at::Tensor linear_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const LinearKernel* const kernel = linear_kernel();
  if (kernel == nullptr || !has_few_rows(x, weight, bias, *kernel)) return at::linear(x, weight, bias);
  if (takes_gradients(x)) return FewRows::apply(x, Matrix{weight, bias});
  return product_of(x, weight, bias, *kernel);
}

}  // namespace emend
