// Epochs over the facts in mini-batches: the changes of weights that make all of them likely together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "editors/common/training_options.h"
#include "editors/common/training_rows.h"

namespace emend::editors {

struct Training {
  std::vector<at::Tensor> changes;  // one for each weight: [D, F] float32, on its device
  std::vector<int> steps;           // of each row: batches with it that made a step
  std::vector<double> losses;       // of each row under the changes
  bool finite = true;               // else `losses` are those of the rows that were run when it ended
};

// Called after each epoch with its number from 1 and its mean loss.
using EpochSeen = std::function<void(int, double)>;

// What is done to a gradient before Adam sees it, and to the change after each of Adam's steps; [D, F]
// float32 to the same shape. Empty: nothing.
struct StepFilter {
  std::function<at::Tensor(const at::Tensor&)> gradient, change;
};

// `weights` [D, F] as the model has them, those of the layers of `rows`; `filters` of each, or none at all.
// Steps and bounds are those of each weight. The order of the rows depends on `seed` alone.
Training train(const TrainingRows& rows, const std::vector<at::Tensor>& weights,
               const TrainingOptions& options, const std::vector<StepFilter>& filters, std::uint64_t seed,
               const EpochSeen& seen);

}  // namespace emend::editors
