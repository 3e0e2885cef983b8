// AlphaEdit (Fang et al. 2025): Delta = R K^T P (Kp Kp^T P + K K^T P + L2 I)^-1, P the projector on the
// directions in which C is small, Kp the keys of all earlier facts.
#include "editors/bulk/methods.h"

namespace emend::editors {

BulkMethod alphaedit_method() {
  BulkMethod alpha{"alphaedit",
                   "least squares within the null space of C (Fang et al. 2025): lambda is L2",
                   {},
                   published_search()};
  alpha.own.preserve = alpha.published.preserve = PreserveStage::kNullSpace;
  alpha.own.search.objective = Objective::kInjected;
  alpha.own.search.stop_probability = 0.95;
  alpha.published.carry = true;
  alpha.published.lambda = 10;
  alpha.published.threshold = 2e-2;
  return alpha;
}

}  // namespace emend::editors
