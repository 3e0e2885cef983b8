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

namespace emend::editors {

namespace {

// What the drift rows said before the edit [rows, V]; undefined until it is known, of all rows at once.
at::Tensor known_initial(const std::vector<ActiveRow*>& drift_rows) {
  if (drift_rows.empty() || !drift_rows.front()->initial.defined()) return {};
  std::vector<at::Tensor> initial;
  for (const ActiveRow* row : drift_rows) initial.push_back(row->initial);
  return at::stack(initial);
}

}  // namespace

SearchStep::SearchStep(const Model& model, SearchRows& prepared, const ActiveUnits& units,
                       const SearchOptions& options)
    : model_(model),
      options_(options),
      value_path_(model, prepared.layer),
      layout_(lay_out_step(model, prepared, units)),
      end_ids_(index_tensor(options.ends, layout_.v0.device())),
      initial_(known_initial(layout_.drift_rows)) {}

// KL(now || before) at the drift rows' lookup tokens, a sum for each unit. The first evaluation of a row is
// its `before`.
at::Tensor SearchStep::drift(const at::Tensor& logprobs) {
  const std::vector<ActiveRow*>& rows = layout_.drift_rows;
  if (rows.empty()) return at::zeros({layout_.units()}, layout_.v0.options());
  const at::Tensor now =
      logprobs.narrow(0, layout_.labels.size(0) + layout_.ends, static_cast<std::int64_t>(rows.size()));
  if (!initial_.defined()) {
    initial_ = now.detach().clone();
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i]->initial = initial_[static_cast<std::int64_t>(i)];
  }
  return layout_.unit_kl((now.exp() * (now - initial_)).sum(1));
}

// -log p(E | prompt, target) of each target row [ends], p(E) = sum over e in E of p(e).
at::Tensor SearchStep::row_end_nll(const at::Tensor& logprobs) const {
  if (layout_.ends == 0) return at::zeros({0}, layout_.v0.options());
  const at::Tensor behind = logprobs.narrow(0, layout_.labels.size(0), layout_.ends);
  return -behind.index_select(1, end_ids_).logsumexp(1);
}

// From the leaf to log-probabilities [labels + ends + drift rows, V]: the stream that comes of it, the blocks
// above.
at::Tensor SearchStep::pass(const at::Tensor& leaf) const {
  PassInput input = layout_.input;
  input.hidden =
      layout_.value.defined() ? (layout_.hidden + value_path_.arrived(leaf)).to(model_.options()) : leaf;
  return at::log_softmax(model_.forward(input).logits, 1);
}

void SearchStep::see_initial() {
  const c10::NoGradGuard no_grad;
  const at::Tensor& start = layout_.value.defined() ? layout_.value : layout_.hidden;
  drift(pass(start.to(model_.options())));
}

// Values at the layer plus alpha r, what comes of them, the losses.
void SearchStep::forward(const at::Tensor& r, bool wants_gradient) {
  const at::AutoGradMode grad_mode(wants_gradient);
  last_.leaf_gradient = at::Tensor();
  const at::Tensor& start = layout_.value.defined() ? layout_.value : layout_.hidden;
  last_.leaf = at::addmm(start, layout_.alpha, r).detach().to(model_.options());
  if (wants_gradient) last_.leaf.requires_grad_(true);
  const at::Tensor logprobs = pass(last_.leaf);
  const at::Tensor& labels = layout_.labels;
  const at::Tensor row_nll =
      layout_.row_nll(-logprobs.narrow(0, 0, labels.size(0)).gather(1, labels).squeeze(1));
  const at::Tensor row_end = row_end_nll(logprobs);
  const at::Tensor nll = layout_.unit_nll(row_nll), kl = drift(logprobs);
  const at::Tensor end = layout_.ends > 0 ? layout_.unit_nll(row_end) : at::zeros_like(nll);
  last_.total = nll + options_.kl_factor * kl;
  if (layout_.ends > 0) last_.total = last_.total + options_.end_weight * end;
  last_.losses = at::cat({row_nll, row_end, nll, kl, end}).detach();
}

// dL/dh of the last evaluation, once. Entries that are not numbers count as 0, so that a unit that has run
// away, and ends here, leaves the others alone.
void SearchStep::backward() {
  if (last_.leaf_gradient.defined()) return;
  last_.leaf_gradient =
      torch::autograd::grad({last_.total.sum()}, {last_.leaf})[0].to(at::kFloat).nan_to_num(0.0, 0.0, 0.0);
}

// Many large kernels keep a GPU busy by themselves, and the more units there are, the sooner one leaves and
// ends this step. What a recording reads must be there, the distributions before the edit, and room for the
// memory that it keeps.
bool SearchStep::is_worth_recording() const {
  const at::Tensor& hidden = layout_.hidden;
  if (!may_record_ || !DeviceGraph::can_record(hidden.device()) || is_split(model_.devices())) return false;
  if (hidden.size(0) > kFewGpuTokens || gradients_ <= layout_.units()) return false;
  if (!layout_.drift_rows.empty() && !initial_.defined()) return false;
  const auto free = free_device_bytes(hidden.device());
  return free && token_budget_for(*free) >= 2 * hidden.size(0);
}

// What the step launches, once. Where that fails, steps are launched as before.
void SearchStep::record(const at::Tensor& r) {
  const auto numbers =
      static_cast<std::int64_t>(layout_.row_unit.size()) + layout_.ends + 3 * layout_.units();
  const at::Tensor kept_r = r.clone(), losses = at::empty({numbers}, layout_.v0.options()),
                   gradient = at::empty_like(layout_.hidden);
  const auto work = [&] {
    forward(kept_r, true);
    backward();
    return std::vector<at::Tensor>{last_.losses, last_.leaf_gradient};
  };
  try {
    DeviceGraph graph(layout_.hidden.device(), work, {losses, gradient});
    recorded_.emplace(Recorded{std::move(graph), kept_r, losses, gradient});
  } catch (const c10::Error&) {
    may_record_ = false;
  }
  last_ = {};  // nothing of it was computed, and the recording needs no graph of torch's
}

void SearchStep::run_recorded(const at::Tensor& r) {
  recorded_->r.copy_(r);
  recorded_->graph.run();
  last_.losses = recorded_->losses;
  last_.leaf_gradient = recorded_->gradient;
}

StepLosses SearchStep::evaluate(const at::Tensor& r, bool wants_gradient) {
  gradients_ += wants_gradient ? 1 : 0;
  if (wants_gradient && !recorded_ && is_worth_recording()) record(r);
  if (wants_gradient && recorded_) {
    run_recorded(r);
  } else {
    forward(r, wants_gradient);
    if (wants_gradient && last_.leaf.is_cuda()) backward();
  }
  StepLosses losses = read();
  for (std::size_t u = 0; u < losses.nll.size(); ++u)
    losses.total.push_back(losses.nll[u] + options_.kl_factor * losses.kl[u] +
                           options_.end_weight * losses.end_nll[u]);
  if (options_.decay > 0) add_decay(r, losses.total);
  return losses;
}

void SearchStep::add_decay(const at::Tensor& r, std::vector<double>& total) const {
  const at::Tensor decay =
      (options_.decay * r.norm(2, 1) / layout_.v0.squeeze(1).square()).to(at::kDouble).cpu();
  for (std::size_t u = 0; u < total.size(); ++u) total[u] += decay.const_data_ptr<double>()[u];
}

// dL/dr = sum over tokens of alpha(x) dL/dh(x), and the decay term's own.
at::Tensor SearchStep::gradient(const at::Tensor& r) {
  backward();
  at::Tensor gradient = at::matmul(layout_.alpha.t(), last_.leaf_gradient);
  if (options_.decay <= 0) return gradient;
  return gradient + options_.decay * r / (at::clamp_min(r.norm(2, 1, true), 1e-15) * layout_.v0.square());
}

// One transfer for all numbers of the evaluation.
StepLosses SearchStep::read() const {
  const at::Tensor host = last_.losses.to(at::kDouble).cpu();
  const double* row = host.const_data_ptr<double>();
  const double* end = row + layout_.row_unit.size();
  const double* unit = end + layout_.ends;
  const auto units = static_cast<std::size_t>(layout_.units());
  StepLosses losses;
  losses.nll.assign(unit, unit + units);
  losses.kl.assign(unit + units, unit + 2 * units);
  losses.end_nll.assign(unit + 2 * units, unit + 3 * units);
  losses.bare.assign(units, 1);
  losses.mean.assign(units, 0);
  losses.bare_end.assign(units, 1);
  losses.mean_end.assign(units, 0);
  std::vector<double> count(units, 0);
  for (std::size_t i = 0; i < layout_.row_unit.size(); ++i) {
    const std::size_t u = layout_.row_unit[i];
    const double p = std::exp(-row[i]);
    if (layout_.row_bare[i]) losses.bare[u] = std::min(losses.bare[u], p);
    losses.mean[u] += p;
    const double p_end = layout_.ends > 0 ? std::exp(-end[i]) : 1;
    if (layout_.row_bare[i]) losses.bare_end[u] = std::min(losses.bare_end[u], p_end);
    losses.mean_end[u] += p_end;
    ++count[u];
  }
  for (std::size_t u = 0; u < units; ++u) {
    losses.mean[u] /= count[u];
    losses.mean_end[u] /= count[u];
  }
  return losses;
}

}  // namespace emend::editors
