// Epochs over the facts in mini-batches: the change of one weight that makes all of them likely together.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "editors/common/training_options.h"
#include "editors/common/training_rows.h"

namespace emend::editors {

struct Training {
  at::Tensor change;           // [D, F] float32, on the device of the weight
  std::vector<int> steps;      // of each row: batches with it that made a step
  std::vector<double> losses;  // of each row under `change`
  bool finite = true;          // else `losses` are those of the rows that were run when it ended
};

// Called after each epoch with its number from 1 and its mean loss.
using EpochSeen = std::function<void(int, double)>;

// What is done to a gradient before Adam sees it, and to the change after each of Adam's steps; [D, F]
// float32 to the same shape. Empty: nothing.
struct StepFilter {
  std::function<at::Tensor(const at::Tensor&)> gradient, change;
};

// `weight` [D, F] as the model has it. The order of the rows depends on `seed` alone.
Training train(const TrainingRows& rows, const at::Tensor& weight, const TrainingOptions& options,
               const StepFilter& filter, std::uint64_t seed, const EpochSeen& seen);

}  // namespace emend::editors
