#include "memories/layer_runs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/rows.h"

namespace emend {

LayerRuns::LayerRuns(const Model& model, std::vector<TokenIds> rows) : model_(model), rows_(std::move(rows)) {
  const c10::NoGradGuard no_gradients;
  for (const TokenIds& row : rows_) {
    tokens_ += static_cast<std::int64_t>(row.size());
    ends_.push_back(tokens_ - 1);
  }
  PassInput input;
  input.ids = rows_;
  input.logit_tokens = ends_;
  input.recordings = {{Site::kEmbedding, 0, {}}};
  for (int l = 0; l < model.config().layers; ++l) input.recordings.push_back({Site::kBlockOutput, l, {}});
  PassOutput output = model.forward(input);
  entering_ = std::move(output.recorded);
  unchanged_ = at::log_softmax(output.logits.to(at::kCPU, at::kDouble), 1);
}

PassInput LayerRuns::from(int block, const at::Tensor& hidden) const {
  PassInput input;
  input.ids = rows_;
  input.begin_block = block;
  input.hidden = hidden;
  return input;
}

at::Tensor LayerRuns::ends(const PassInput& input) const {
  PassInput whole = input;
  whole.logit_tokens = ends_;
  return at::log_softmax(model_.forward(whole).logits.to(at::kCPU, at::kDouble), 1);
}

at::Tensor LayerRuns::in_order(const std::vector<int>& order) const {
  const c10::NoGradGuard no_gradients;
  const int layers = model_.config().layers;
  std::size_t done = 0;
  while (done < order.size() && order[done] == static_cast<int>(done)) ++done;
  at::Tensor x = entering_[done];
  while (done < order.size()) {
    std::size_t behind = done + 1;  // blocks that follow each other are one pass
    while (behind < order.size() && order[behind] == order[behind - 1] + 1) ++behind;
    PassInput input = from(order[done], x);
    if (behind == order.size() && order.back() == layers - 1) return ends(input);
    input.stop = PassInput::Stop::kBlock;
    input.stop_block = order[behind - 1];
    x = model_.forward(input).hidden;
    done = behind;
  }
  return ends(from(layers, x));  // the head alone
}

at::Tensor LayerRuns::without(Site site, int begin, int end) const {
  const c10::NoGradGuard no_gradients;
  std::vector<std::int64_t> all;
  for (std::int64_t t = 0; t < tokens_; ++t) all.push_back(t);
  const at::Tensor tokens = index_tensor(all, model_.options().device());
  PassInput input = from(begin, entering_[static_cast<std::size_t>(begin)]);
  for (int l = begin; l < end; ++l)
    input.interventions.push_back(
        {site, l, Intervention::Kind::kScale, tokens, at::zeros({tokens_, 1}, model_.options())});
  return ends(input);
}

}  // namespace emend
