// The right side of an update: the residual r that makes the target likely, by Adam on the cached upper
// blocks.
//
// Objective `written`: every token x of every row receives alpha(x) r at layer l, alpha = aT k(x), so the
// loss is that of the model as it will be written. Objective `injected` (Meng et al. 2022, equation 4): r is
// added at the lookup token alone. A step runs blocks > l over the positions from the first one that r can
// move (causality: r at layer l moves nothing before it), on cached keys and values; logits only where a loss
// is read; no gradient of weights. The first steps need only a direction: they run a few of the rows, until
// the target is likely there; from then on every row takes part, and only what all rows say is booked.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "editors/common/layer_trace.h"
#include "emend/edit.h"
#include "emend/progress.h"

namespace emend {

struct SearchOptions {
  Objective objective = Objective::kWritten;
  int max_steps = 40;              // loss evaluations that are followed by a gradient step
  double step = 0.35;              // Adam's step in units of ||v0|| / sqrt(D)
  double absolute_step = 0;        // > 0: Adam's step as it is (the papers' 0.5)
  double clamp = 6;                // ||r|| <= clamp ||v0||
  double kl_factor = 0.0625;       // weight of KL(current || initial) at the subject alone
  double decay = 0;                // weight of ||r|| / ||v0||^2
  double stop_probability = 0.97;  // exp(-nll), on every bare prompt and in the mean of the rows
  double stop_loss = 0;            // > 0: stop below this total loss instead (the papers' 0.05)
  bool keep_best = true;           // the best iterate; false: the last
  // tau: positions where |alpha| clamp ||v0|| / ||h|| stays below keep their cached keys and values.
  double reach = 0.1;
  int gradient_tokens = 0;  // tokens of a pass that takes gradients; 0: 768 on the CPU, 6144 on a GPU
};

// One row of a search.
struct SearchRow {
  TraceRow row;                        // with the target's tokens but the last
  std::size_t lookup = 0;              // position in the whole row
  std::vector<std::int64_t> label_at;  // positions whose logits are read (whole row)
  TokenIds labels;
  double weight = 0;  // share in the unit's loss
  double early_weight =
      0;  // share in the loss of the early steps; 0: not part of them (drift rows always are)
  bool bare = false;
  bool drift = false;  // no labels: the distribution at the lookup token should stay
};

// One unknown: the residual of one key, shared by all requests that have that key.
struct SearchUnit {
  std::vector<SearchRow> rows;
  at::Tensor a;         // [F] float32: alpha(x) = aT k(x)
  at::Tensor others_a;  // [n, F] and
  at::Tensor others_r;  // [n, D]: what other edits add at this layer, held fixed; undefined: nothing
  at::Tensor start;     // [D] where the search begins; undefined: 0
};

struct SearchResult {
  at::Tensor r;  // [D] float32
  int steps = 0;
  double loss = 0, nll = 0, kl = 0;  // of the iterate that was kept
  double bare_probability = 0;       // lowest over the unit's bare rows
  double mean_probability = 0;
  double first_loss = 0;  // of the first evaluation, on the early rows where there are such
  double v0_norm = 0;
  int early_steps = 0;         // of `steps`, those on few rows
  std::vector<double> losses;  // one an evaluation of all rows
  bool finite = false;         // a loss of all rows was a number at some iterate; else r is 0
  // Finite, and the loss fell to 0.8 of its beginning, the stop was reached, or the search had nothing to do.
  bool came_down = false;
};

// Searches all units; each has its own Adam state, clamp and stop, and leaves the batch when it is done. A
// unit's result does not depend on the others beyond rounding.
std::vector<SearchResult> search_values(const Model& model, const LayerTrace& trace,
                                        const std::vector<SearchUnit>& units, const SearchOptions& options,
                                        Progress& progress);

}  // namespace emend
