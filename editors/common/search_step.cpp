#include "editors/common/search_step.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>

#include "model/device_memory.h"
#include "model/placement.h"
#include "model/rows.h"

namespace emend {

at::Tensor SearchStep::Gather::operator()(const at::Tensor& values) const {
  const at::Tensor picked = values.index_select(0, index.flatten()).view(index.sizes());
  return at::where(weight != 0, picked * weight, 0.0).sum(1);
}

SearchStep::Gather SearchStep::gather(const std::vector<std::vector<std::int64_t>>& groups,
                                      const std::vector<double>& weights, const at::Device& device) {
  const std::int64_t width = std::max<std::int64_t>(longest(groups), 1);
  const auto count = static_cast<std::int64_t>(groups.size());
  std::vector<std::int64_t> index;
  std::vector<float> share;
  for (const auto& group : groups)
    for (std::int64_t j = 0; j < width; ++j) {
      const bool real = j < static_cast<std::int64_t>(group.size());
      index.push_back(real ? group[static_cast<std::size_t>(j)] : group.empty() ? 0 : group.front());
      share.push_back(real ? static_cast<float>(weights[static_cast<std::size_t>(index.back())]) : 0.0f);
    }
  return {index_tensor(index, device).view({count, width}),
          to_device(at::tensor(share, at::kFloat).view({count, width}), device)};
}

SearchStep::SearchStep(const Model& model, int layer, KvCache& cache, std::vector<ActiveRow>& rows,
                       const std::vector<std::size_t>& active, const std::vector<bool>& is_early,
                       const at::Tensor& v0_norms, const SearchOptions& options)
    : model_(model), options_(options) {
  const c10::NoGradGuard no_grad;
  const at::Device device = v0_norms.device();
  const auto units = static_cast<std::int64_t>(active.size());
  std::vector<at::Tensor> hidden, alpha;
  std::vector<std::int64_t> labels, drift_at, token_unit;
  std::vector<std::vector<std::int64_t>> labels_of_row, rows_of_unit(active.size()),
      drift_of_unit(active.size());
  std::vector<double> label_weight, row_weight, drift_weight;
  std::int64_t tokens = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ActiveRow& row = rows[i];
    const auto found = std::lower_bound(active.begin(), active.end(), row.unit);
    if (found == active.end() || *found != row.unit) continue;
    const double weight = is_early[row.unit] ? row.source->early_weight : row.source->weight;
    if (is_early[row.unit] && weight == 0 && !row.source->drift) continue;
    const auto place = static_cast<std::size_t>(found - active.begin());
    const std::int64_t length = row.hidden.size(0);
    input_.ids.emplace_back(static_cast<std::size_t>(length),
                            0);  // only their number matters: the residual stream is given
    input_.cache_row.push_back(static_cast<std::int64_t>(i));
    hidden.push_back(row.hidden);
    alpha.push_back(row.alpha);
    token_unit.insert(token_unit.end(), static_cast<std::size_t>(length), static_cast<std::int64_t>(place));
    if (row.source->drift) {
      drift_of_unit[place].push_back(static_cast<std::int64_t>(drift_at.size()));
      drift_weight.push_back(1);
      drift_at.push_back(tokens + static_cast<std::int64_t>(row.source->lookup) - row.begin);
      drift_rows_.push_back(&row);
    } else {
      labels_of_row.emplace_back();
      for (std::size_t j = 0; j < row.source->labels.size(); ++j) {
        labels_of_row.back().push_back(static_cast<std::int64_t>(labels.size()));
        label_weight.push_back(1.0 / static_cast<double>(row.source->labels.size()));
        labels.push_back(row.source->labels[j]);
        input_.logit_tokens.push_back(tokens + row.source->label_at[j] - row.begin);
      }
      rows_of_unit[place].push_back(static_cast<std::int64_t>(row_unit_.size()));
      row_weight.push_back(weight);
      row_unit_.push_back(place);
      row_bare_.push_back(row.source->bare);
    }
    tokens += length;
  }
  input_.logit_tokens.insert(input_.logit_tokens.end(), drift_at.begin(), drift_at.end());
  input_.cache = &cache;
  input_.begin_block = layer + 1;
  input_.layout = model.lay_out(input_);
  hidden_ = at::cat(hidden, 0);
  alpha_ = at::zeros({tokens, units}, v0_norms.options())
               .scatter_(1, index_tensor(token_unit, device).unsqueeze(1), at::cat(alpha, 0).unsqueeze(1));
  v0_ = v0_norms.index_select(0, index_tensor({active.begin(), active.end()}, device));
  labels_ = index_tensor(labels, device).unsqueeze(1);
  row_nll_ = gather(labels_of_row, label_weight, device);
  unit_nll_ = gather(rows_of_unit, row_weight, device);
  if (drift_rows_.empty()) return;
  unit_kl_ = gather(drift_of_unit, drift_weight, device);
  if (!drift_rows_.front()->initial.defined()) return;
  std::vector<at::Tensor> initial;
  for (const ActiveRow* row : drift_rows_) initial.push_back(row->initial);
  initial_ = at::stack(initial);
}

// KL(now || before) at the drift rows' lookup tokens, a sum for each unit. The first evaluation of a row is
// its `before`.
at::Tensor SearchStep::drift(const at::Tensor& logprobs) {
  if (drift_rows_.empty()) return at::zeros({v0_.size(0)}, v0_.options());
  const at::Tensor now = logprobs.narrow(0, labels_.size(0), static_cast<std::int64_t>(drift_rows_.size()));
  if (!initial_.defined()) {
    initial_ = now.detach().clone();
    for (std::size_t i = 0; i < drift_rows_.size(); ++i)
      drift_rows_[i]->initial = initial_[static_cast<std::int64_t>(i)];
  }
  return unit_kl_((now.exp() * (now - initial_)).sum(1));
}

// Residual stream at the layer plus alpha r, the blocks above, the losses.
void SearchStep::forward(const at::Tensor& r, bool wants_gradient) {
  const at::AutoGradMode grad_mode(wants_gradient);
  leaf_gradient_ = at::Tensor();
  leaf_ = at::addmm(hidden_, alpha_, r).detach().to(model_.options());
  if (wants_gradient) leaf_.requires_grad_(true);
  PassInput input = input_;
  input.hidden = leaf_;
  const at::Tensor logprobs = at::log_softmax(model_.forward(std::move(input)).logits, 1);
  const at::Tensor row_nll = row_nll_(-logprobs.narrow(0, 0, labels_.size(0)).gather(1, labels_).squeeze(1));
  const at::Tensor nll = unit_nll_(row_nll), kl = drift(logprobs);
  total_ = nll + options_.kl_factor * kl;
  losses_ = at::cat({row_nll, nll, kl}).detach();
}

// Many large kernels keep a GPU busy by themselves, and the more units there are, the sooner one leaves and
// ends this step. What a recording reads must be there, the distributions before the edit, and room for the
// memory that it keeps.
bool SearchStep::is_worth_recording() const {
  if (!may_record_ || !DeviceGraph::can_record(hidden_.device()) || is_split(model_.devices())) return false;
  if (hidden_.size(0) > kFewGpuTokens || gradients_ <= v0_.size(0)) return false;
  if (!drift_rows_.empty() && !initial_.defined()) return false;
  const auto free = free_device_bytes(hidden_.device());
  return free && token_budget_for(*free) >= 2 * hidden_.size(0);
}

// What the step launches, once. Where that fails, steps are launched as before.
void SearchStep::record(const at::Tensor& r) {
  recorded_r_ = r.clone();
  try {
    recorded_.emplace(hidden_.device(), [&] {
      forward(recorded_r_, true);
      backward();
    });
  } catch (const c10::Error&) {
    may_record_ = false;
    return;
  }
  recorded_losses_ = losses_;
  recorded_gradient_ = leaf_gradient_;
  leaf_ = total_ = at::Tensor();  // the recording needs no graph of torch's
}

void SearchStep::run_recorded(const at::Tensor& r) {
  recorded_r_.copy_(r);
  recorded_->run();
  losses_ = recorded_losses_;
  leaf_gradient_ = recorded_gradient_;
}

StepLosses SearchStep::evaluate(const at::Tensor& r, bool wants_gradient) {
  gradients_ += wants_gradient ? 1 : 0;
  if (wants_gradient && !recorded_ && is_worth_recording()) record(r);
  if (wants_gradient && recorded_) {
    run_recorded(r);
  } else {
    forward(r, wants_gradient);
    if (wants_gradient && leaf_.is_cuda()) backward();
  }
  StepLosses losses = read();
  for (std::size_t u = 0; u < losses.nll.size(); ++u)
    losses.total.push_back(losses.nll[u] + options_.kl_factor * losses.kl[u]);
  if (options_.decay > 0) {
    const at::Tensor decay = (options_.decay * r.norm(2, 1) / v0_.squeeze(1).square()).to(at::kDouble).cpu();
    for (std::size_t u = 0; u < losses.total.size(); ++u)
      losses.total[u] += decay.const_data_ptr<double>()[u];
  }
  return losses;
}

// dL/dh of the last evaluation, once. Entries that are not numbers count as 0, so that a unit that has run
// away, and ends here, leaves the others alone.
void SearchStep::backward() {
  if (leaf_gradient_.defined()) return;
  leaf_gradient_ = torch::autograd::grad({total_.sum()}, {leaf_})[0].to(at::kFloat).nan_to_num(0.0, 0.0, 0.0);
}

// dL/dr = sum over tokens of alpha(x) dL/dh(x), and the decay term's own.
at::Tensor SearchStep::gradient(const at::Tensor& r) {
  backward();
  at::Tensor gradient = at::matmul(alpha_.t(), leaf_gradient_);
  if (options_.decay <= 0) return gradient;
  return gradient + options_.decay * r / (at::clamp_min(r.norm(2, 1, true), 1e-15) * v0_.square());
}

// One transfer for all numbers of the evaluation.
StepLosses SearchStep::read() const {
  const at::Tensor host = losses_.to(at::kDouble).cpu();
  const double* row = host.const_data_ptr<double>();
  const double* unit = row + row_unit_.size();
  const auto units = static_cast<std::size_t>(v0_.size(0));
  StepLosses losses;
  losses.nll.assign(unit, unit + units);
  losses.kl.assign(unit + units, unit + 2 * units);
  losses.bare.assign(units, 1);
  losses.mean.assign(units, 0);
  std::vector<double> count(units, 0);
  for (std::size_t i = 0; i < row_unit_.size(); ++i) {
    const std::size_t u = row_unit_[i];
    const double p = std::exp(-row[i]);
    if (row_bare_[i]) losses.bare[u] = std::min(losses.bare[u], p);
    losses.mean[u] += p;
    ++count[u];
  }
  for (std::size_t u = 0; u < units; ++u) losses.mean[u] /= count[u];
  return losses;
}

}  // namespace emend
