// The forward pass: the figure of a decoder, with the places where vectors are read and changed.
#include "model/transformer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "emend/error.h"
#include "model/attention.h"
#include "model/layers.h"
#include "model/linear_rows.h"
#include "model/project.h"
#include "model/row_layout.h"
#include "model/rows.h"

namespace emend {

namespace {

// Reads and changes vectors at sites as the input asks for.
class Observer {
 public:
  Observer(const PassInput& input, PassOutput& output, const at::Device& home)
      : input_(input), output_(output), home_(home) {
    output.recorded.resize(input.recordings.size());
  }

  // The vector at this site after the interventions there; recordings see the changed one.
  at::Tensor at_site(Site site, int block, at::Tensor x) const {
    for (const Intervention& change : input_.interventions)
      if (change.site == site && (change.block == block || before_blocks(site))) x = changed(x, change);
    for (std::size_t i = 0; i < input_.recordings.size(); ++i) {
      const Recording& recording = input_.recordings[i];
      if (recording.site != site || (recording.block != block && !before_blocks(site))) continue;
      const at::Tensor vectors =
          recording.tokens.defined() ? x.index_select(0, recording.tokens.to(x.device())) : x;
      if (input_.on_recorded)
        input_.on_recorded(i, vectors);
      else
        output_.recorded[i] = vectors.to(home_);
    }
    return x;
  }

 private:
  static bool before_blocks(Site site) { return site == Site::kEmbedding || site == Site::kTokenEmbedding; }

  static at::Tensor changed(const at::Tensor& x, const Intervention& change) {
    const at::Tensor values = change.values.to(x.device(), x.scalar_type()),
                     tokens = change.tokens.to(x.device());
    switch (change.kind) {
      case Intervention::Kind::kAdd:
        return x.index_add(0, tokens, values);
      case Intervention::Kind::kReplace:
        return x.index_copy(0, tokens, values);
      case Intervention::Kind::kScale:
        return x.index_copy(0, tokens, x.index_select(0, tokens) * values);
    }
    return x;
  }

  const PassInput& input_;
  PassOutput& output_;
  at::Device home_;  // where the caller's tensors are
};

at::Tensor embed(const PassInput& input, const ModelConfig& config, const ModelWeights& weights,
                 const RowLayout& layout, const Observer& observer) {
  std::vector<std::int64_t> ids;
  for (const auto& row : input.ids) require_embedding_rows(row, weights.token_embedding.size(0));
  for (std::size_t r = 0; r < input.ids.size(); ++r)
    for (std::size_t t = 0; t < input.ids[r].size(); ++t)
      if (input.token_of.empty() || input.token_of[r][t] == static_cast<std::int64_t>(ids.size()))
        ids.push_back(input.ids[r][t]);  // else a token of an earlier row
  const at::Tensor index = index_tensor(ids, weights.token_embedding.device());
  at::Tensor x = observer.at_site(Site::kTokenEmbedding, 0, weights.token_embedding.index_select(0, index));
  if (config.embedding_multiplier != 1) x = x * config.embedding_multiplier;
  if (weights.position_embedding.defined())
    x = x + weights.position_embedding.index_select(0, config.position_offset == 0
                                                           ? layout.positions()
                                                           : layout.positions() + config.position_offset);
  return observer.at_site(Site::kEmbedding, 0, x);
}

Overlay on_device(const Overlay& overlay, const at::Device& device) {
  return {overlay.block, overlay.A.to(device), overlay.B.to(device),
          overlay.gate.defined() ? overlay.gate.to(device) : at::Tensor()};
}

// W k + b and what overlays add to it: y += B ((A k) * gate). `row`: [N] the row of each key.
at::Tensor mlp_value(const at::Tensor& key, const BlockWeights& weights, int block, const PassInput& input,
                     const at::Tensor& row) {
  at::Tensor y = project(key, weights, &BlockWeights::mlp_down, &BlockWeights::mlp_down_bias);
  for (const Overlay& overlay : input.overlays) {
    if (overlay.block != block) continue;
    const Overlay here = on_device(overlay, key.device());
    y = y + overlay_value(overlay_strength(key, here), here, row).to(y.scalar_type());
  }
  return y;
}

// What the MLP reads: the stream behind its norm. Parallel blocks read the stream that entered the block, or
// what attention read where they have no norm of their own.
at::Tensor mlp_input(const at::Tensor& x, const at::Tensor& entering, const at::Tensor& attention_input,
                     const BlockWeights& weights, const BlockSpec& spec, Gradients gradients) {
  if (spec.mlp_norm)
    return normalise(spec.parallel ? entering : x, weights.mlp_norm, weights.mlp_norm_bias, spec, gradients);
  return spec.parallel ? attention_input : x;
}

at::Tensor logits_of(const at::Tensor& x, const ModelWeights& weights, const ModelConfig& config,
                     Gradients gradients) {
  const at::Tensor seen = normalise(x, weights.final_norm, weights.final_norm_bias, config.block, gradients);
  const at::Tensor logits = linear_rows(seen, weights.head, weights.head_bias).to(at::kFloat);
  return soft_capped(config.logit_multiplier == 1 ? logits : logits * config.logit_multiplier,
                     config.logit_soft_cap, gradients);
}

// Does anybody look at, or change, what lies behind attention in this block?
bool is_watched_behind_attention(const PassInput& input, int block) {
  const auto behind = [&](const auto& at) {
    return at.block == block && (at.site == Site::kGate || at.site == Site::kUp || at.site == Site::kKey ||
                                 at.site == Site::kMlpOutput || at.site == Site::kBlockOutput);
  };
  return std::any_of(input.interventions.begin(), input.interventions.end(), behind) ||
         std::any_of(input.recordings.begin(), input.recordings.end(), behind) ||
         std::any_of(input.overlays.begin(), input.overlays.end(),
                     [&](const Overlay& overlay) { return overlay.block == block; });
}

// Not every block has every site.
void require_sites(const PassInput& input, const ModelConfig& config) {
  const auto is_missing = [&](const auto& at) {
    return at.site == Site::kUp && at.block >= 0 && at.block < config.layers &&
           !config.spec(at.block).gated_mlp;
  };
  if (std::any_of(input.interventions.begin(), input.interventions.end(), is_missing) ||
      std::any_of(input.recordings.begin(), input.recordings.end(), is_missing))
    throw Error(ErrorKind::kModel, "the MLP of this model has no gate, so it has no up score to look at");
}

}  // namespace

PassOutput run_pass(const PassInput& input, const ModelConfig& config, const ModelWeights& weights,
                    const at::TensorOptions& options, Gradients gradients) {
  require_sites(input, config);
  PassOutput output;
  const at::Device home = options.device();
  const Observer observer(input, output, home);
  auto layout = input.layout
                    ? input.layout
                    : std::make_shared<const RowLayout>(input, config, options, !c10::GradMode::is_enabled());
  at::Tensor x = input.hidden.defined() ? input.hidden : embed(input, config, weights, *layout, observer);
  const int last_block = input.stop == PassInput::Stop::kLogits ? config.layers - 1 : input.stop_block;
  const at::Tensor wanted = layout->logit_tokens();  // tokens whose logits are read
  // Behind the last attention the others matter to nobody: they do not run through the last MLP.
  const bool narrows = !input.logits_only && input.stop == PassInput::Stop::kLogits && wanted.defined() &&
                       wanted.size(0) < layout->tokens() && !is_watched_behind_attention(input, last_block);
  at::Tensor row = layout->row_of_token(),
             only;  // of the tokens that still run; those alone that run on, once they are chosen
  for (int l = input.begin_block; l <= last_block; ++l) {
    const BlockWeights block = weights.block(l);
    const at::Device device = block.mlp_down.device();
    x = x.to(device);
    if (device != layout->positions().device()) {  // a model over several devices
      row = row.to(device);
      layout = std::make_shared<const RowLayout>(layout->on(device));
    }
    if (input.cache) input.cache->place(l, device);
    const BlockSpec& spec = config.spec(l);
    at::Tensor normal = spec.attention_norm
                            ? normalise(x, block.attention_norm, block.attention_norm_bias, spec, gradients)
                            : x;
    // What the norm of a parallel MLP reads. Other blocks do not hold the old stream behind attention.
    at::Tensor entering = spec.parallel && spec.mlp_norm ? x : at::Tensor();
    if (l == last_block && input.logits_only) only = wanted.to(x.device());
    const at::Tensor mixed = attention(normal, block, config, l, *layout, input, only, gradients);
    const auto leave_others = [&] {
      x = x.index_select(0, only);
      row = row.index_select(0, only);
      if (entering.defined())
        entering = entering.index_select(0, only);
      else if (spec.parallel)
        normal = normal.index_select(0, only);
    };
    if (only.defined()) leave_others();
    x = x +
        attention_contribution(observer.at_site(Site::kAttentionOutput, l, mixed), block, spec, gradients);
    if (l == last_block && narrows) {
      only = wanted.to(x.device());
      leave_others();
    }
    MlpScores scores =
        mlp_scores(mlp_input(x, entering, normal, block, spec, gradients), block, config, spec);
    scores.gate = observer.at_site(Site::kGate, l, std::move(scores.gate));
    if (spec.gated_mlp) scores.up = observer.at_site(Site::kUp, l, std::move(scores.up));
    const at::Tensor key = observer.at_site(Site::kKey, l, mlp_key(scores, spec, gradients));
    scores = {};  // a pass holds them no longer than it must
    if (l == last_block && input.stop == PassInput::Stop::kKey) {
      x = at::Tensor();
      break;
    }
    const at::Tensor value = observer.at_site(Site::kMlpOutput, l, mlp_value(key, block, l, input, row));
    x = x + mlp_contribution(value, block, spec, gradients);
    x = observer.at_site(Site::kBlockOutput, l, x);
  }
  if (x.defined()) x = x.to(home);
  if (!only.defined()) output.hidden = x;

  if (wanted.defined()) {
    const at::Tensor last = only.defined() ? x : x.index_select(0, wanted);
    output.logits = logits_of(last, weights, config, gradients);
  }
  if (input.append)
    for (std::size_t r = 0; r < input.ids.size(); ++r) {
      const std::int64_t cache_row =
          input.cache_row.empty() ? static_cast<std::int64_t>(r) : input.cache_row[r];
      if (cache_row >= 0) input.cache->lengths[cache_row] += static_cast<std::int64_t>(input.ids[r].size());
    }
  return output;
}

}  // namespace emend
