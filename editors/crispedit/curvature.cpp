#include "editors/crispedit/curvature.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <utility>

#include "emend/error.h"
#include "model/batches.h"
#include "model/rows.h"
#include "model/value_path.h"

namespace emend::editors {

namespace {

// Gradients of some rows: -log p of all their next tokens.
class Portion {
 public:
  Portion(const Model& model, int layer, std::vector<TokenIds> rows) : model_(model), layer_(layer) {
    std::int64_t at = 0;
    for (const TokenIds& row : rows) {
      const auto length = static_cast<std::int64_t>(row.size());
      for (std::int64_t j = 0; j + 1 < length; ++j) {
        read_.push_back(at + j);
        next_.push_back(row[static_cast<std::size_t>(j) + 1]);
        if (j > 0) counted_.push_back(at + j);
      }
      at += length;
    }
    rows_ = std::move(rows);
  }

  // [n, D] float32
  at::Tensor gradients() const {
    if (counted_.empty()) return {};
    const ValuePath path(model_, layer_);
    const auto [hidden, values] = below(path);
    const at::AutoGradMode grad_mode(true);
    at::Tensor leaf = (path.is_direct() ? hidden : values).detach().to(model_.options()).requires_grad_(true);
    PassInput upper;
    upper.ids = rows_;
    upper.begin_block = layer_ + 1;
    upper.hidden =
        path.is_direct() ? leaf : (hidden - path.arrived(values) + path.arrived(leaf)).to(model_.options());
    upper.logit_tokens = read_;
    const at::Tensor logprobs = at::log_softmax(model_.forward(upper).logits, 1);
    const at::Tensor next = index_tensor(next_, logprobs.device()).unsqueeze(1);
    const at::Tensor nll = -logprobs.gather(1, next).sum();
    const at::Tensor of_values = torch::autograd::grad({nll}, {leaf})[0].to(at::kFloat);
    return of_values.index_select(0, index_tensor(counted_, of_values.device())).detach();
  }

 private:
  // The residual stream behind the block [T, D], and W k + b where that does not reach it as it is.
  std::pair<at::Tensor, at::Tensor> below(const ValuePath& path) const {
    PassInput lower;
    lower.ids = rows_;
    lower.stop = PassInput::Stop::kBlock;
    lower.stop_block = layer_;
    if (!path.is_direct()) lower.recordings = {{Site::kMlpOutput, layer_, {}}};
    const PassOutput output = model_.forward(lower);
    return {output.hidden, path.is_direct() ? at::Tensor() : output.recorded.front()};
  }

  const Model& model_;
  int layer_;
  std::vector<TokenIds> rows_;
  std::vector<std::int64_t> read_, next_, counted_;
};

}  // namespace

at::Tensor gradient_moment(const Model& model, int layer, const std::vector<TokenIds>& rows,
                           std::int64_t most_tokens) {
  const c10::NoGradGuard no_grad;
  const std::int64_t size = model.config().d_model;
  at::Tensor sum = at::zeros({size, size}, at::kDouble);
  std::int64_t count = 0;
  for (const RowRange range : split_by_tokens(rows, most_tokens)) {
    const auto begin = rows.begin();
    const Portion portion(
        model, layer,
        {begin + static_cast<std::ptrdiff_t>(range.begin), begin + static_cast<std::ptrdiff_t>(range.end)});
    const at::Tensor gradients = portion.gradients();
    if (!gradients.defined()) continue;
    sum += at::matmul(gradients.t(), gradients).to(at::kCPU, at::kDouble);
    count += gradients.size(0);
  }
  if (count == 0)
    throw Error(ErrorKind::kConfig,
                "crispedit: the text for the moment of gradients has no token that "
                "another one stands behind");
  return sum / static_cast<double>(count);
}

LowCurvature::LowCurvature(const Spectrum& of_C, const Spectrum& of_G, double energy,
                           const at::TensorOptions& like) {
  const c10::NoGradGuard no_grad;
  const at::Tensor products = at::outer(of_G.values.clamp_min(0), of_C.values.clamp_min(0));
  const at::Tensor falling = std::get<0>(products.flatten().sort(0, /*descending=*/true));
  const at::Tensor shares = falling.cumsum(0) / falling.sum();
  // With rounding, all of them together may be less than an energy of 1.
  const auto at_share = std::min(at::searchsorted(shares, energy).item<std::int64_t>(), falling.size(0) - 1);
  threshold_ = falling[at_share].item<double>();
  const at::Tensor mask = products < threshold_;
  kept_ = mask.sum().item<std::int64_t>();
  directions_ = products.numel();
  // Below this share of the sum there is no curvature to tell apart: what stands there is rounding.
  const double rounding = std::numeric_limits<double>::epsilon() * falling.sum().item<double>();
  if (kept_ == 0 || energy >= 1 || threshold_ <= rounding)
    throw Error(
        ErrorKind::kConfig,
        fmt::format("crispedit: energy {} leaves no direction of {} to change: all with a curvature of "
                    "{:.2g} and more are held, and below it there is none but rounding; give a smaller "
                    "energy, such as 0.9",
                    energy, directions_, threshold_));
  left_ = of_G.vectors.to(like).contiguous();  // in memory as vectors are that were kept in a file
  right_ = of_C.vectors.to(like).contiguous();
  mask_ = mask.to(like);
}

at::Tensor LowCurvature::project(const at::Tensor& X) const {
  const at::Tensor turned = left_.t().mm(X).mm(right_);
  return left_.mm(turned * mask_).mm(right_.t());
}

}  // namespace emend::editors
