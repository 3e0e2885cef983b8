#include "memories/prompt_pushes.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "emend/memory_view.h"
#include "model/layers.h"
#include "model/rows.h"
#include "model/transformer.h"

namespace emend {
namespace {

at::Tensor plain(const at::Tensor& x) {
  return x.detach().to(at::kCPU, at::kFloat);
}

// What a soft cap leaves of a logit, as a share.
double cap_ratio(double logit, double cap) {
  if (cap <= 0 || logit == 0) return 1;
  return logit / (cap * std::atanh(logit / cap));
}

// Sites of a block, in the order in which they are recorded; the first block's embedding stands in front of
// all.
constexpr std::size_t kSites = 4;
enum : std::size_t { kAttention, kKeySite, kProduced, kLeaving };

PassInput input_of(const Model& model, const TokenIds& ids, const std::vector<at::Tensor>& zeros) {
  PassInput input;
  input.ids = {ids};
  input.logit_tokens = {static_cast<std::int64_t>(ids.size()) - 1};
  std::vector<std::int64_t> all;
  for (std::size_t t = 0; t < ids.size(); ++t) all.push_back(static_cast<std::int64_t>(t));
  const at::Tensor tokens = index_tensor(all, model.options().device());
  input.recordings.push_back({Site::kEmbedding, 0, {}});
  for (int l = 0; l < model.config().layers; ++l) {
    for (const Site site : {Site::kAttentionOutput, Site::kKey, Site::kMlpOutput, Site::kBlockOutput})
      input.recordings.push_back({site, l, {}});
    input.interventions.push_back(
        {Site::kKey, l, Intervention::Kind::kAdd, tokens, zeros[static_cast<std::size_t>(l)]});
  }
  return input;
}

void add_layer(PromptPushes& pushes, const Model& model, int layer, const at::Tensor& entering,
               const std::vector<at::Tensor>& seen) {
  const BlockSpec& spec = model.config().spec(layer);
  const BlockWeights& weights = model.weights().blocks[static_cast<std::size_t>(layer)];
  const at::Tensor attention = seen[kAttention].detach().to(weights.mlp_down.device());
  const at::Tensor behind = plain(entering) + plain(attention_contribution(attention, weights, spec));
  pushes.keys.push_back(plain(seen[kKeySite]));
  pushes.entering.push_back(plain(entering)[-1]);
  pushes.read.push_back(spec.parallel ? plain(entering) : behind);
  pushes.residual.push_back(behind[-1]);
  pushes.produced.push_back(plain(seen[kProduced])[-1]);
  pushes.output.push_back(plain(seen[kLeaving])[-1]);
}

}  // namespace

at::Tensor logit_direction(const Model& model, const LogitOfInterest& wanted, const at::Tensor& logits,
                           const at::Tensor& last) {
  const ModelConfig& config = model.config();
  const auto row = [&](std::int64_t token) {
    const double ratio = cap_ratio(logits[token].item<double>(), config.logit_soft_cap);
    return plain(model.weights().head[token]) * (config.logit_multiplier * ratio);
  };
  at::Tensor rows = row(wanted.token);
  if (wanted.against) rows = rows - row(*wanted.against);
  const at::Tensor size = norm_size(last.unsqueeze(0), config.block).flatten();
  return centred((rows * plain(model.weights().final_norm)).unsqueeze(0), config.block).squeeze(0) / size;
}

at::Tensor direct_contributions(const Model& model, const PromptPushes& pushes, int layer) {
  const auto at = static_cast<std::size_t>(layer);
  const FfnView view(model, layer);
  const at::Tensor produced = pushes.produced[at].unsqueeze(0);
  const double rho = view.output_size(produced.to(model.options().device())).item<double>();
  const at::Tensor products =
      at::mv(view.values(), view.pulled_back(pushes.direction.to(view.values().device()))).to(at::kCPU) / rho;
  return pushes.keys[at][-1] * products;
}

PromptPushes run_pushes(const Model& model, const TokenIds& ids, const LogitOfInterest& wanted) {
  const int layers = model.config().layers;
  std::vector<at::Tensor> zeros;
  const at::AutoGradMode with_gradients(true);
  for (int l = 0; l < layers; ++l)
    zeros.push_back(at::zeros({static_cast<std::int64_t>(ids.size()), model.config().d_ff}, model.options())
                        .set_requires_grad(true));
  const PassOutput output = run_pass(input_of(model, ids, zeros), model.config(), model.weights(),
                                     model.options(), Gradients::kHeld);
  const at::Tensor logits = output.logits[0];
  const at::Tensor logit =
      wanted.against ? logits[wanted.token] - logits[*wanted.against] : logits[wanted.token];
  const auto gradients = torch::autograd::grad({logit}, zeros);

  const c10::NoGradGuard no_gradients;
  PromptPushes pushes;
  pushes.logit = logit.item<double>();
  at::Tensor entering = output.recorded[0];
  for (int l = 0; l < layers; ++l) {
    const auto first = output.recorded.begin() + 1 + static_cast<std::ptrdiff_t>(kSites) * l;
    const std::vector<at::Tensor> seen(first, first + kSites);
    add_layer(pushes, model, l, entering, seen);
    pushes.gradients.push_back(plain(gradients[static_cast<std::size_t>(l)]));
    entering = seen[kLeaving];
  }
  pushes.direction = logit_direction(model, wanted, plain(logits), pushes.output.back());
  return pushes;
}

}  // namespace emend
