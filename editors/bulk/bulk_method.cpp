// Our own method for many facts. docs/bulk.md has the measurements behind the constants.
#include "editors/bulk/methods.h"

namespace emend::editors {

BulkMethod bulk_method() {
  BulkMethod bulk{"bulk", "many facts over a few layers, least squares, in two rounds", {}, {}};
  bulk.own.search.objective = Objective::kInjected;
  bulk.own.search.stop_probability = 0.95;
  bulk.published = bulk.own;
  return bulk;
}

}  // namespace emend::editors
