#include "editors/common/layer_trace.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/batches.h"
#include "model/rows.h"

namespace emend::editors {

namespace {

std::vector<TokenIds> own_tokens(const std::vector<TraceRow>& rows) {
  std::vector<TokenIds> own;
  own.reserve(rows.size());
  for (const TraceRow& row : rows) own.push_back(row.own);
  return own;
}

// Packed [N, ...] as one tensor a row.
std::vector<at::Tensor> split_rows(const at::Tensor& packed, const std::vector<TokenIds>& ids) {
  std::vector<std::int64_t> sizes;
  sizes.reserve(ids.size());
  for (const TokenIds& row : ids) sizes.push_back(static_cast<std::int64_t>(row.size()));
  return packed.split_with_sizes(sizes, 0);
}

// The keys of some tokens (undefined: all) at each layer.
std::vector<Recording> key_recordings(const std::vector<int>& layers, const at::Tensor& tokens) {
  std::vector<Recording> recordings;
  for (const int layer : layers) recordings.push_back({Site::kKey, layer, tokens});
  return recordings;
}

}  // namespace

LayerTrace::LayerTrace(const Model& model, std::vector<int> layers, std::vector<TokenIds> fronts,
                       std::int64_t token_budget)
    : model_(model),
      layers_(std::move(layers)),
      fronts_(std::move(fronts)),
      token_budget_(token_budget),
      value_path_(model, layers_.back()) {
  const c10::NoGradGuard no_grad;
  const ModelConfig& config = model.config();
  cache_ = KvCache(config, 0, static_cast<std::int64_t>(fronts_.size()),
                   std::max<std::int64_t>(longest(fronts_), 1), model.options());
  const at::Tensor no_keys = at::empty({0, config.d_ff}, model.options().dtype(at::kFloat));
  const at::Tensor no_hidden = at::empty({0, config.d_model}, model.options().dtype(at::kFloat));
  front_keys_.assign(layers_.size(), std::vector<at::Tensor>(fronts_.size(), no_keys));
  front_hidden_.assign(fronts_.size(), no_hidden);
  front_values_.assign(fronts_.size(), no_hidden);
  trace_fronts();
}

void LayerTrace::trace_fronts() {
  PassInput input;
  for (std::size_t i = 0; i < fronts_.size(); ++i)
    if (!fronts_[i].empty()) {
      input.ids.push_back(fronts_[i]);
      input.cache_row.push_back(static_cast<std::int64_t>(i));
    }
  if (input.ids.empty()) return;
  const std::vector<TokenIds> ids = input.ids;
  const std::vector<std::int64_t> owner = input.cache_row;
  input.cache = &cache_;
  input.append = true;
  input.stop = PassInput::Stop::kBlock;
  input.stop_block = model_.config().layers - 1;
  input.recordings = key_recordings(layers_, {});
  input.recordings.push_back({Site::kBlockOutput, layer(), {}});
  if (!value_path_.is_direct()) input.recordings.push_back({Site::kMlpOutput, layer(), {}});
  const PassOutput output = model_.forward(input);
  const auto keep = [&](const at::Tensor& packed, std::vector<at::Tensor>& fronts) {
    const std::vector<at::Tensor> rows = split_rows(packed.to(at::kFloat), ids);
    for (std::size_t i = 0; i < owner.size(); ++i) fronts[static_cast<std::size_t>(owner[i])] = rows[i];
  };
  for (std::size_t l = 0; l < layers_.size(); ++l) keep(output.recorded[l], front_keys_[l]);
  keep(output.recorded[layers_.size()], front_hidden_);
  if (!value_path_.is_direct()) keep(output.recorded.back(), front_values_);
}

std::vector<at::Tensor> LayerTrace::front_keys(std::int64_t front) const {
  std::vector<at::Tensor> keys;
  for (const std::vector<at::Tensor>& fronts : front_keys_)
    keys.push_back(fronts[static_cast<std::size_t>(front)]);
  return keys;
}

PassInput LayerTrace::input_for(const std::vector<TraceRow>& rows, std::size_t begin, std::size_t end) const {
  PassInput input;
  for (std::size_t i = begin; i < end; ++i) {
    input.ids.push_back(rows[i].own);
    input.cache_row.push_back(rows[i].front);
  }
  input.cache = &cache_;
  return input;
}

std::vector<at::Tensor> LayerTrace::keys_of(PassInput input, const at::Tensor& tokens) const {
  input.stop = PassInput::Stop::kKey;
  input.stop_block = layer();
  input.recordings = key_recordings(layers_, tokens);
  std::vector<at::Tensor> keys = model_.forward(input).recorded;
  for (at::Tensor& of_layer : keys) of_layer = of_layer.to(at::kFloat);
  return keys;
}

std::vector<at::Tensor> LayerTrace::last_keys(const std::vector<TraceRow>& rows) const {
  const c10::NoGradGuard no_grad;
  std::vector<std::vector<at::Tensor>> portions(layers_.size());
  for (RowRange range : split_by_tokens(own_tokens(rows), token_budget_)) {
    PassInput input = input_for(rows, range.begin, range.end);
    const at::Tensor last = index_tensor(last_tokens(input.ids), model_.options().device());
    const std::vector<at::Tensor> keys = keys_of(std::move(input), last);
    for (std::size_t l = 0; l < keys.size(); ++l) portions[l].push_back(keys[l]);
  }
  std::vector<at::Tensor> all;
  for (const std::vector<at::Tensor>& keys : portions) all.push_back(at::cat(keys, 0));
  return all;
}

std::vector<std::vector<at::Tensor>> LayerTrace::own_keys(const std::vector<TraceRow>& rows) const {
  const c10::NoGradGuard no_grad;
  std::vector<std::vector<at::Tensor>> all(layers_.size());
  for (RowRange range : split_by_tokens(own_tokens(rows), token_budget_)) {
    PassInput input = input_for(rows, range.begin, range.end);
    const std::vector<TokenIds> ids = input.ids;
    const std::vector<at::Tensor> keys = keys_of(std::move(input), {});
    for (std::size_t l = 0; l < keys.size(); ++l)
      for (const at::Tensor& own : split_rows(keys[l], ids)) all[l].push_back(own);
  }
  return all;
}

std::vector<TracedRow> LayerTrace::trace(const std::vector<TraceRow>& rows) const {
  const c10::NoGradGuard no_grad;
  std::vector<TracedRow> traced;
  for (RowRange range : split_by_tokens(own_tokens(rows), token_budget_)) {
    PassInput input = input_for(rows, range.begin, range.end);
    input.stop = PassInput::Stop::kBlock;
    input.stop_block = layer();
    input.recordings = {{Site::kKey, layer(), {}}};
    if (!value_path_.is_direct()) input.recordings.push_back({Site::kMlpOutput, layer(), {}});
    const std::vector<TokenIds> ids = input.ids;
    const PassOutput output = model_.forward(input);
    const auto keys = split_rows(output.recorded[0].to(at::kFloat), ids);
    const auto hidden = split_rows(output.hidden.to(at::kFloat), ids);
    const auto values = value_path_.is_direct() ? std::vector<at::Tensor>(ids.size())
                                                : split_rows(output.recorded.back().to(at::kFloat), ids);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::int64_t front = rows[range.begin + i].front;
      if (front < 0) {
        traced.push_back({keys[i], hidden[i], values[i]});
        continue;
      }
      const auto f = static_cast<std::size_t>(front);
      const auto behind = [&](const at::Tensor& own, const std::vector<at::Tensor>& of_fronts) {
        return own.defined() ? at::cat({of_fronts[f], own}, 0) : own;
      };
      traced.push_back({behind(keys[i], front_keys_.back()), behind(hidden[i], front_hidden_),
                        behind(values[i], front_values_)});
    }
  }
  return traced;
}

KvCache LayerTrace::upper_cache(const std::vector<TraceRow>& rows, const std::vector<at::Tensor>& hidden,
                                const std::vector<std::int64_t>& begin) const {
  const c10::NoGradGuard no_grad;
  std::vector<std::int64_t> fronts;
  fronts.reserve(rows.size());
  for (const TraceRow& row : rows) fronts.push_back(std::max<std::int64_t>(row.front, 0));
  KvCache cache = cache_.select(fronts, layer() + 1, cache_.capacity());
  // RowLayout rounds the keys up on a GPU.
  const std::int64_t room_to_align = model_.options().device().is_cuda() ? 16 : 0;
  cache.reserve(std::max<std::int64_t>(*std::max_element(begin.begin(), begin.end()) + room_to_align, 1));

  // The front serves up to its own length; what lies between it and the row's beginning is run from the
  // layer's output.
  PassInput input;
  std::vector<at::Tensor> between;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t front = std::min(front_length(rows[i].front), begin[i]);
    cache.lengths[i] = front;
    if (begin[i] == front) continue;
    input.ids.emplace_back(static_cast<std::size_t>(begin[i] - front), 0);  // only their number matters
    input.cache_row.push_back(static_cast<std::int64_t>(i));
    between.push_back(hidden[i].narrow(0, front, begin[i] - front));
  }
  if (input.ids.empty() || layer() + 1 >= model_.config().layers) return cache;
  input.cache = &cache;
  input.append = true;
  input.begin_block = layer() + 1;
  input.hidden = at::cat(between, 0).to(model_.options());
  input.stop = PassInput::Stop::kBlock;
  input.stop_block = model_.config().layers - 1;
  model_.forward(input);
  return cache;
}

}  // namespace emend::editors
