#include "emend/memory_view.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "base/layer_number.h"
#include "emend/error.h"
#include "model/layers.h"

namespace emend {
namespace {

struct Norm {
  at::Tensor gain, bias;  // undefined: none
};

// The norm whose output the layer reads. Parallel blocks without a norm of their own share attention's.
Norm norm_in_front(const BlockWeights& weights, const BlockSpec& spec) {
  if (spec.mlp_norm) return {weights.mlp_norm, weights.mlp_norm_bias};
  if (spec.parallel && spec.attention_norm) return {weights.attention_norm, weights.attention_norm_bias};
  return {};
}

}  // namespace

FfnView::FfnView(const Model& model, int layer) : model_(&model), layer_(layer), cells_(model.config().d_ff) {
  require_layer("layer", layer, model.config().layers);
}

const BlockSpec& FfnView::spec() const {
  return model_->config().spec(layer_);
}

const BlockWeights& FfnView::weights() const {
  return model_->weights().blocks[static_cast<std::size_t>(layer_)];
}

// Gated layers hold gate over up in one matrix.
at::Tensor FfnView::inner_rows(std::int64_t first, std::int64_t count) const {
  return weights().mlp_in.narrow(0, first, count).to(at::kFloat);
}

at::Tensor FfnView::inner_bias(std::int64_t first, std::int64_t count) const {
  const at::Tensor& bias = weights().mlp_in_bias;
  return bias.defined() ? bias.narrow(0, first, count).to(at::kFloat) : bias;
}

at::Tensor FfnView::keys() const {
  return inner_rows(is_gated() ? cells_ : 0, cells_);
}

at::Tensor FfnView::key_bias() const {
  return inner_bias(is_gated() ? cells_ : 0, cells_);
}

at::Tensor FfnView::gates() const {
  if (!is_gated())
    throw Error(ErrorKind::kModel,
                fmt::format("layer {} has no gates: its coefficients are act(key x + bias)", layer_));
  return inner_rows(0, cells_);
}

at::Tensor FfnView::gate_bias() const {
  return is_gated() ? inner_bias(0, cells_) : at::Tensor();
}

FoldedKeys FfnView::folded(const at::Tensor& rows, const at::Tensor& bias) const {
  const at::Tensor own = bias.defined() ? bias : at::zeros({rows.size(0)}, rows.options());
  const Norm norm = norm_in_front(weights(), spec());
  if (!norm.gain.defined()) return {rows, own};
  const at::Tensor shift =
      norm.bias.defined() ? at::mv(rows, norm.bias.to(rows.options())) : at::zeros_like(own);
  return {centred(rows * norm.gain.to(rows.options()), spec()), own + shift};
}

FoldedKeys FfnView::folded_keys() const {
  return folded(keys(), key_bias());
}

FoldedKeys FfnView::folded_gates() const {
  return folded(gates(), gate_bias());
}

FoldedKeys FfnView::folded_key(std::int64_t cell) const {
  const std::int64_t inner = cell + (is_gated() ? cells_ : 0);
  return folded(inner_rows(inner, 1), inner_bias(inner, 1));
}

FoldedKeys FfnView::folded_gate(std::int64_t cell) const {
  if (!is_gated()) gates();  // says so
  return folded(inner_rows(cell, 1), inner_bias(cell, 1));
}

at::Tensor FfnView::input_size(const at::Tensor& stream) const {
  return norm_in_front(weights(), spec()).gain.defined()
             ? norm_size(stream, spec())
             : at::ones({stream.size(0), 1}, stream.options().dtype(at::kFloat));
}

// Rows [n, D] behind the norm's gain and the multiplier.
at::Tensor FfnView::arriving(const at::Tensor& rows) const {
  const at::Tensor& gain = weights().mlp_post_norm;
  const at::Tensor normal = gain.defined() ? centred(rows, spec()) * gain.to(rows.options()) : rows;
  return spec().residual_multiplier == 1 ? normal : normal * spec().residual_multiplier;
}

at::Tensor FfnView::values(ValueSide side) const {
  const at::Tensor produced = weights().mlp_down.t().to(at::kFloat);
  return side == ValueSide::kProduced ? produced : arriving(produced);
}

at::Tensor FfnView::value(std::int64_t cell, ValueSide side) const {
  const at::Tensor produced = weights().mlp_down.select(1, cell).to(at::kFloat);
  return side == ValueSide::kProduced ? produced : arriving(produced.unsqueeze(0)).squeeze(0);
}

// Taking the mean off is symmetric.
at::Tensor FfnView::pulled_back(const at::Tensor& q) const {
  const at::Tensor& gain = weights().mlp_post_norm;
  const at::Tensor wide = q.to(at::kFloat) * spec().residual_multiplier;
  return gain.defined() ? centred(wide * gain.to(wide.options()), spec()) : wide;
}

CellScores FfnView::scores(std::int64_t cell, const at::Tensor& stream) const {
  const Norm norm = norm_in_front(weights(), spec());
  const at::Tensor row = stream.unsqueeze(0);
  const at::Tensor seen =
      (norm.gain.defined() ? normalise(row, norm.gain, norm.bias, spec()) : row).squeeze(0).to(at::kFloat);
  const auto score = [&](std::int64_t inner) {
    const at::Tensor& bias = weights().mlp_in_bias;
    return at::dot(weights().mlp_in[inner].to(at::kFloat), seen).item<double>() +
           (bias.defined() ? bias[inner].item<double>() : 0);
  };
  if (!is_gated()) return {std::nullopt, score(cell)};
  return {score(cell), score(cells_ + cell)};
}

at::Tensor FfnView::output_bias(ValueSide side) const {
  const at::Tensor& down = weights().mlp_down;
  const at::Tensor& bias = weights().mlp_down_bias;
  const at::Tensor produced =
      bias.defined() ? bias.to(at::kFloat) : at::zeros({down.size(0)}, down.options().dtype(at::kFloat));
  return side == ValueSide::kProduced ? produced : arriving(produced.unsqueeze(0)).squeeze(0);
}

at::Tensor FfnView::arriving_offset() const {
  const at::Tensor& down = weights().mlp_down;
  const at::Tensor& bias = weights().mlp_post_norm_bias;
  if (!bias.defined()) return at::zeros({down.size(0)}, down.options().dtype(at::kFloat));
  return bias.to(at::kFloat) * spec().residual_multiplier;
}

at::Tensor FfnView::output_size(const at::Tensor& y) const {
  return weights().mlp_post_norm.defined() ? norm_size(y, spec())
                                           : at::ones({y.size(0), 1}, y.options().dtype(at::kFloat));
}

at::Tensor FfnView::value_norms(ValueSide side) const {
  return values(side).norm(2, 1);
}

}  // namespace emend
