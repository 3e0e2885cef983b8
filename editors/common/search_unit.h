// What a value search takes and gives: its options, the unknowns with their rows, and what became of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "editors/common/layer_trace.h"
#include "emend/edit.h"

namespace emend::editors {

// How r goes downhill.
enum class SearchMethod {
  kLbfgs,  // quasi-Newton steps within a trust radius (lbfgs.h)
  kAdam,   // as the papers do
};

// What v0 is, whose length gives a search its scale.
enum class SearchScale {
  kValue,   // W k + b at the lookup token of the bare prompt
  kStream,  // the residual stream behind the block there (Meng et al. 2023)
};

struct SearchOptions {
  Objective objective = Objective::kWritten;
  SearchScale scale = SearchScale::kValue;
  SearchMethod method = SearchMethod::kLbfgs;
  int max_steps = 40;              // loss evaluations that are followed by another
  double radius = 0.4;             // L-BFGS: length of the first step in units of ||v0||
  double growth = 1.5;             // L-BFGS: what an accepted full step multiplies the radius by
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
  // The model is taught to end its text behind the target by any of these tokens E: the loss has
  // end_weight nll(E | prompt, target) besides, p(E) being the sum over E. Empty: it is not taught to.
  TokenIds ends = {};
  double end_weight = 0.5;
  // The search stops only once p(E) passes this as well, on every bare prompt and in the mean of the rows.
  double end_probability = 0.9;
  int gradient_tokens = 0;  // tokens of a pass that takes gradients; 0: 768 on the CPU, 6144 on a GPU
};

// One row of a search.
struct SearchRow {
  TraceRow row;                        // with the target's tokens but the last; with all if `end_at` is given
  std::size_t lookup = 0;              // position in the whole row
  std::vector<std::int64_t> label_at;  // positions whose logits are read (whole row)
  TokenIds labels;
  std::int64_t end_at = -1;  // of the target's last token, where the end is read (whole row); -1: it is not
  double weight = 0;         // share in the unit's loss
  // Share in the loss of the early steps; 0: the row is not part of them (drift rows always are).
  double early_weight = 0;
  bool bare = false;
  bool drift = false;  // no labels: the distribution at the lookup token should stay
};

// What edits add at the layer, held fixed: sum of r_i a_i^T. Copies share the numbers.
struct HeldEdits {
  at::Tensor a;  // [n, F] float32; undefined: nothing is held
  at::Tensor r;  // [n, D] float32
};

// One unknown: the residual of one key, shared by all requests that have that key.
struct SearchUnit {
  std::vector<SearchRow> rows;
  at::Tensor a;           // [F] float32: alpha(x) = a^T k(x)
  HeldEdits held;         // of all edits that are searched together
  std::int64_t own = -1;  // the row of `held` that is this unit's own, which is not held; -1: none of them
  at::Tensor start;       // [D] where the search begins; undefined: 0
};

struct SearchResult {
  at::Tensor r;  // [D] float32
  int steps = 0;
  double loss = 0, nll = 0, kl = 0;  // of the iterate that was kept; nll is of the target's own tokens
  double bare_probability = 0;       // lowest over the unit's bare rows
  double mean_probability = 0;
  double end_probability = 1;  // of the taught end, the lower of both; 1 where it is not taught
  double first_loss = 0;       // of the first evaluation, on the early rows where there are such
  double v0_norm = 0;
  int early_steps = 0;         // of `steps`, those on few rows
  std::vector<double> losses;  // one an evaluation of all rows
  bool finite = false;         // a loss of all rows was a number at some iterate; else r is 0
  // Finite, and the loss fell to 0.8 of its beginning, the stop was reached, or the search had nothing to do.
  bool converged = false;

  // The losses of the same residual as they were measured once more.
  void take_losses(const SearchResult& measured) {
    loss = measured.loss;
    nll = measured.nll;
    kl = measured.kl;
    bare_probability = measured.bare_probability;
    mean_probability = measured.mean_probability;
  }
};

}  // namespace emend::editors
