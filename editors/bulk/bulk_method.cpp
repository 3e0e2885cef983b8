// Our own method for many facts. docs/bulk.md has the measurements behind the constants.
#include "editors/bulk/methods.h"

namespace emend::editors {

BulkMethod bulk_method() {
  BulkMethod bulk{"bulk", "many facts over a few layers, least squares, in four rounds", {}, {}};
  bulk.own.search.objective = Objective::kInjected;
  bulk.own.search.stop_probability = 0.97;
  bulk.own.carried_keys = CarriedKeys::kAnew;
  bulk.own.carried_probability = 0.9;
  bulk.own.relative_lambda = 6;  // quiet updates, and
  bulk.own.rounds = 4;           // further rounds for what they leave open
  bulk.published = bulk.own;
  return bulk;
}

}  // namespace emend::editors
