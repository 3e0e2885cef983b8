// EMMET (Gupta et al. 2024): equality constraints with a ridge e under w C, which is MEMIT with lambda = w e;
// a fact that stands alone is written exactly.
#include "editors/bulk/methods.h"

namespace emend::editors {

BulkMethod emmet_method() {
  BulkMethod emmet{"emmet",
                   "equality constraints with a ridge (Gupta et al. 2024, A Unified Framework for Model "
                   "Editing): lambda is w e",
                   {},
                   published_search()};
  emmet.own.search.objective = Objective::kInjected;
  emmet.own.search.stop_probability = 0.95;
  emmet.own.exact_alone = true;
  emmet.own.keys = BulkKeys::kGroupMean;
  emmet.published.lambda = 0.1;  // w = 1, e = 0.1
  emmet.published.exact_alone = true;
  return emmet;
}

}  // namespace emend::editors
