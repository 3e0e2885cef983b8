#include "editors/common/train.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/random.h"
#include "editors/common/weight_descent.h"

namespace emend::editors {

namespace {

// "ft" as a number: a stream of its own.
constexpr std::uint64_t kOrderStream = 0x6674;

double scaled(double absolute, double relative, const at::Tensor& weight) {
  if (absolute > 0) return absolute;
  return relative * weight.to(at::kFloat).square().mean().sqrt().item<double>();
}

std::vector<std::size_t> first_order(std::size_t rows) {
  std::vector<std::size_t> order(rows);
  std::iota(order.begin(), order.end(), std::size_t{0});
  return order;
}

// Fisher and Yates. `drawn` counts the numbers that were taken so far.
void shuffle(std::vector<std::size_t>& order, const Random& random, std::uint64_t& drawn) {
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(drawn++, i)]);
}

bool all_finite(const std::vector<double>& losses) {
  return std::all_of(losses.begin(), losses.end(), [](double loss) { return std::isfinite(loss); });
}

double sum(const std::vector<double>& losses) {
  return std::accumulate(losses.begin(), losses.end(), 0.0);
}

class Trainer {
 public:
  Trainer(const TrainingRows& rows, const std::vector<at::Tensor>& weights, const TrainingOptions& options,
          const std::vector<StepFilter>& filters)
      : rows_(rows), options_(options), filters_(filters) {
    for (const at::Tensor& weight : weights) {
      descents_.emplace_back(weight, scaled(options.learning_rate, options.relative_rate, weight),
                             scaled(options.bound, options.relative_bound, weight));
      gradients_.push_back(at::zeros_like(descents_.back().change()));
    }
    filters_.resize(weights.size());
    made_.steps.assign(rows.size(), 0);
    made_.losses.assign(rows.size(), 0);
  }

  // The mean loss of the epoch.
  double run_epoch(const std::vector<std::size_t>& order) {
    double total = 0;
    for (std::size_t begin = 0; begin < order.size() && made_.finite; begin += batch_size()) {
      const std::size_t end = std::min(begin + batch_size(), order.size());
      total += run_batch({order.begin() + static_cast<std::ptrdiff_t>(begin),
                          order.begin() + static_cast<std::ptrdiff_t>(end)});
    }
    return total / static_cast<double>(order.size());
  }

  bool is_finite() const { return made_.finite; }

  Training finish() {
    made_.changes = changes();
    if (!made_.finite) return std::move(made_);
    made_.losses = rows_.losses(first_order(rows_.size()), made_.changes, nullptr);
    made_.finite = all_finite(made_.losses);
    return std::move(made_);
  }

 private:
  std::vector<at::Tensor> changes() const {
    std::vector<at::Tensor> all;
    for (const WeightDescent& descent : descents_) all.push_back(descent.change());
    return all;
  }
  std::size_t batch_size() const { return static_cast<std::size_t>(options_.batch); }

  // The sum of the losses before its step.
  double run_batch(const std::vector<std::size_t>& which) {
    for (at::Tensor& gradient : gradients_) gradient.zero_();
    const std::vector<double> losses = rows_.losses(which, changes(), &gradients_);
    for (std::size_t i = 0; i < which.size(); ++i) made_.losses[which[i]] = losses[i];
    made_.finite = all_finite(losses);
    const double total = sum(losses);
    if (!made_.finite || total / static_cast<double>(which.size()) < options_.stop_loss) return total;
    for (std::size_t i = 0; i < descents_.size(); ++i) {
      const StepFilter& filter = filters_[i];
      descents_[i].update(filter.gradient ? filter.gradient(gradients_[i]) : gradients_[i]);
      if (filter.change) descents_[i].replace(filter.change(descents_[i].change()));
    }
    for (const std::size_t row : which) ++made_.steps[row];
    return total;
  }

  const TrainingRows& rows_;
  const TrainingOptions& options_;
  std::vector<StepFilter> filters_;
  std::vector<WeightDescent> descents_;
  std::vector<at::Tensor> gradients_;
  Training made_;
};

}  // namespace

Training train(const TrainingRows& rows, const std::vector<at::Tensor>& weights,
               const TrainingOptions& options, const std::vector<StepFilter>& filters, std::uint64_t seed,
               const EpochSeen& seen) {
  const c10::NoGradGuard no_grad;
  Trainer trainer(rows, weights, options, filters);
  const Random random(seed, kOrderStream);
  std::vector<std::size_t> order = first_order(rows.size());
  std::uint64_t drawn = 0;
  for (int epoch = 1; epoch <= options.epochs && trainer.is_finite(); ++epoch) {
    if (options.shuffle) shuffle(order, random, drawn);
    const double mean = trainer.run_epoch(order);
    seen(epoch, mean);
    if (mean < options.stop_loss) break;
  }
  return trainer.finish();
}

}  // namespace emend::editors
