// The options of training changes of weights, the same for every method that trains.
#pragma once

#include <cstdint>
#include <vector>

#include "editors/common/options.h"

namespace emend::editors {

// What is read as the probability of a target.
enum class TargetReading {
  kInTurn,      // each token behind the prompt and the target's tokens before it
  kAtThePrompt  // every token at the prompt's last position (the program of Meng et al. 2022)
};

struct TrainingOptions {
  TargetReading reading = TargetReading::kInTurn;
  // |Delta_ij| <= bound as it is, if that is above 0; else relative_bound in units of the root mean square of
  // the weight. Both 0: no bound.
  double bound = 0;
  double relative_bound = 0;
  // Adam's step as it is, if that is above 0; else relative_rate in the same units.
  double learning_rate = 0;
  double relative_rate = 0.01;
  int epochs = 25;          // at most
  int batch = 100;          // facts of a step
  bool shuffle = true;      // another order in every epoch
  bool end_token = false;   // the end-of-text token belongs to the target
  double stop_loss = 0.01;  // a batch below it makes no step, and an epoch whose mean is below it is the last
  int gradient_tokens = 0;  // tokens of a pass that takes gradients; 0: 768 on the CPU, 6144 on a GPU
  // With `layer: auto`: the layer at this share of the depth; below 0: the layer for a single fact. No option
  // of its own: whoever wants another layer names it.
  double depth = -1;
};

// The options by name: all but `depth`.
std::vector<OptionBinding> training_bindings(TrainingOptions& options);

// The layer of `layer: auto` in a model of `layers` layers, given that for a single fact.
int layer_at_depth(const TrainingOptions& options, int layer, int layers);

// Tokens of one pass that takes gradients.
std::int64_t tokens_of_a_gradient(const TrainingOptions& options, bool on_gpu);

}  // namespace emend::editors
