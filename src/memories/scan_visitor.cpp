#include "memories/scan_visitor.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "analysis/text_source.h"
#include "emend/error.h"
#include "emend/memory_id.h"
#include "memories/portion_sweep.h"
#include "memories/scan_state.h"
#include "memories/state_numbers.h"

namespace emend {

namespace {

const std::string kValueNorm = "value_norm";

std::string layer_prefix(int layer) {
  return fmt::format("layer.{}.", layer);
}

// On the CPU in float32, a row's numbers side by side; what is so already is not copied.
at::Tensor readable(const at::Tensor& scores) {
  const at::Tensor here = scores.to(at::kCPU, at::kFloat);
  return here.stride(1) == 1 ? here : here.contiguous();
}

// Which cell of a token's coefficients is no number.
int bad_cell(const at::Tensor& key, std::int64_t token) {
  return at::isfinite(key[token]).logical_not().to(at::kInt).argmax().item<int>();
}

}  // namespace

ScanVisitor::ScanVisitor(const Model& model, const ScanOptions& options, std::string head,
                         std::int64_t tokens, SweepPlace place)
    : layers_(options.layers),
      include_first_(options.include_first),
      head_(std::move(head)),
      place_(place),
      in_place_(place != SweepPlace::kByDevice || model.options().device().is_cuda()) {
  for (const int layer : layers_) {
    states_.emplace_back(StateShape::of(model, layer, options));
    draws_.emplace_back(options.seed, layer, ScanDraw::sample_bits(tokens));
    sweeps_.emplace_back(draws_.back(), include_first_);
    kernel_sweeps_.emplace_back(draws_.back(), include_first_);
    value_norms_.push_back(value_norms(model, layer));
  }
}

std::vector<Site> ScanVisitor::sites() const {
  if (states_.front().shape.gated) return {Site::kGate, Site::kUp, Site::kKey};
  return {Site::kKey};
}

void ScanVisitor::visit(const TextPortion& portion) {
  const std::size_t layer = portion.layer;
  LayerState& state = states_[layer];
  const bool by_the_cpu = place_ == SweepPlace::kByDevice && portion.vectors.back().device().is_cpu();
  const auto scores_of = [&](std::size_t site) {
    return by_the_cpu ? readable(portion.vectors[site]) : portion.vectors[site];
  };
  const bool gated = state.shape.gated;
  const PortionScores scores{scores_of(portion.vectors.size() - 1), gated ? scores_of(0) : at::Tensor(),
                             gated ? scores_of(1) : at::Tensor(), portion.tokens};
  if (layer == 0) seen_.insert(seen_.end(), portion.tokens.begin(), portion.tokens.end());
  text_ = &portion.text;
  if (!by_the_cpu && place_ != SweepPlace::kByTensors &&
      KernelSweep::can_take(state.shape, scores.key.scalar_type(), scores.key.device()))
    return kernel_sweeps_[layer].take(scores, state);
  const std::int64_t bad = by_the_cpu ? sweep_portion(scores, draws_[layer], include_first_, state)
                                      : sweep_by_tensors(scores, layer);
  if (bad >= 0)
    refuse_bad(layer, bad_cell(scores.key, bad), portion.tokens[static_cast<std::size_t>(bad)], portion.text);
}

std::int64_t ScanVisitor::sweep_by_tensors(const PortionScores& scores, std::size_t layer) {
  sweeps_[layer].begin(scores, states_[layer]);
  if (fetched_) sweeps_[*fetched_].settle(states_[*fetched_]);  // while the device works
  fetched_ = layer;
  return sweeps_[layer].select(scores, states_[layer]);
}

void ScanVisitor::refuse_bad(std::size_t layer, int cell, const TextToken& token,
                             const TextSource& text) const {
  throw Error(ErrorKind::kNumeric, fmt::format("{}: the coefficient at position {} of {} is NaN or infinite",
                                               to_string(MemoryId{layers_[layer], cell}), token.position,
                                               text.document(token.document).name));
}

bool ScanVisitor::end_block() {
  for (std::size_t i = 0; i < layers_.size(); ++i)
    if (const auto bad = kernel_sweeps_[i].find_bad()) {
      for (const TextToken& token : seen_)
        if (token.address == bad->address) refuse_bad(i, bad->cell, token, *text_);
      throw Error(ErrorKind::kNumeric,
                  fmt::format("{}: the coefficient at token {} of the text is NaN or infinite",
                              to_string(MemoryId{layers_[i], bad->cell}), bad->address));
    }
  seen_.clear();
  return true;
}

bool ScanVisitor::has_kernels(const Model& model, std::size_t layer, std::string* why_not) const {
  return place_ != SweepPlace::kByTensors &&
         KernelSweep::can_take(states_[layer].shape, model.options().dtype().toScalarType(),
                               model.options().device(), why_not);
}

void ScanVisitor::tell_parts(const KernelSweep::TellPart& tell) {
  for (KernelSweep& sweep : kernel_sweeps_) sweep.tell_parts(tell);
}

const std::vector<LayerState>& ScanVisitor::states() const {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    sweeps_[i].flush(states_[i]);
    kernel_sweeps_[i].fetch(states_[i]);
  }
  return states_;
}

void ScanVisitor::save(FileWriter& writer) const {
  writer.set("head", head_);
  const std::vector<LayerState>& now = states();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    add_layer_state(writer, layer_prefix(layers_[i]), now[i]);
    writer.add(layer_prefix(layers_[i]) + kValueNorm, at::tensor(value_norms_[i], at::kFloat));
  }
}

void ScanVisitor::load(const TensorFile& file) {
  for (std::size_t i = 0; i < layers_.size(); ++i)
    states_[i] = read_layer_state(file, layer_prefix(layers_[i]), states_[i].shape);
  for (DeviceSweep& sweep : sweeps_) sweep.forget();
  for (KernelSweep& sweep : kernel_sweeps_) sweep.forget();
}

std::vector<FinishedLayer> ScanVisitor::finish() const {
  const std::vector<LayerState>& now = states();
  std::vector<FinishedLayer> layers;
  for (std::size_t i = 0; i < layers_.size(); ++i) layers.push_back({layers_[i], &now[i], value_norms_[i]});
  return layers;
}

std::vector<float> stored_value_norms(const TensorFile& file, int layer, std::int64_t cells) {
  const at::Tensor norms = stored_tensor(file, layer_prefix(layer) + kValueNorm, "F32");
  if (norms.numel() != cells)
    throw Error(ErrorKind::kFormat, fmt::format("{}: the lengths of values of layer {} are {} instead of {}",
                                                file.path().string(), layer, norms.numel(), cells));
  const auto* const data = norms.const_data_ptr<float>();
  return std::vector<float>(data, data + norms.numel());
}

// Layer by layer, so that no process holds all states of all others.
void ScanVisitor::reduce(ShardGroup& group) {
  states();
  for (LayerState& state : states_) {
    const std::vector<std::uint64_t> all = group.gather_to_first(numbers_of(state));
    if (group.rank() == 0) state = state_of(all, state.shape);
  }
  for (KernelSweep& sweep : kernel_sweeps_) sweep.forget();
}

}  // namespace emend
