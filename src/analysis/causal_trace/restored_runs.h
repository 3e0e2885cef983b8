// Restored runs: the corrupted rows again with something put back at one token, from the first block on that
// it can change and over the positions that it can change.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/causal_trace/trace_runs.h"

namespace emend::trace {

// One cell of a grid.
struct Cell {
  // The rows enter block `begin` with their corrupted residual stream...
  int begin = 0;
  bool clean_state = false;  // ... but the clean one at the token, or
  int restore_end = 0;  // the site's outputs of blocks [begin, restore_end) at the token are the clean ones
};

struct RestoredRuns {
  std::int64_t token = 0;
  Site site = Site::kBlockOutput;  // of restored outputs
  std::optional<Site> pinned;      // outputs here at the token stay those of the corrupted run, in all blocks
  std::int64_t token_budget = 4096;
};

// Mean probability over the samples, one a cell. Causality: a cell costs samples x (T - token) tokens in the
// blocks above the first one that it changes; keys and values before the token are the corrupted run's, and
// the last MLP runs only where the answer is read. Rows of all cells that have begun share a batch; cells
// that begin together with restored outputs run as one until the first of them ends.
std::vector<double> run_cells(const Model& model, const TraceRuns& runs, const std::vector<Cell>& cells,
                              const RestoredRuns& how);

}  // namespace emend::trace
