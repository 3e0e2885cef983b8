// MEMIT (Meng et al. 2023): Delta = R K^T (lambda C + K K^T)^-1, an equal share of the missing value at each
// layer.
#include "editors/bulk/methods.h"

namespace emend::editors {

BulkMethod memit_method() {
  BulkMethod memit{
      "memit",
      "least squares over several layers (Meng et al. 2023, Mass-Editing Memory in a Transformer)",
      {},
      published_search()};
  memit.own.search.objective = Objective::kInjected;
  memit.own.search.stop_probability = 0.95;
  memit.published.lambda = 15000;
  return memit;
}

}  // namespace emend::editors
