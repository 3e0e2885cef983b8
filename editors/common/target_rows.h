// The rows over which the value of a request is searched: its prompts with the target behind them, and the
// subject alone.
#pragma once

#include <cstddef>

#include "editors/common/request_rows.h"
#include "editors/common/search_unit.h"

namespace emend::editors {

// How the rows of a request share its loss.
struct RowShares {
  double bare = 0.3;     // of the bare prompt; the context rows share the rest
  bool uniform = false;  // every row the same, whatever `bare` says (the papers)
  int early = 0;         // context rows of the first steps, spread evenly over the contexts; 0: all
};

// Prompt number `prompt` of request i with the target's tokens but the last behind it, without weights.
SearchRow target_row(const CallRows& all, std::size_t i, std::size_t prompt);

// The subject alone, whose distribution should stay.
SearchRow drift_row(const CallRows& all, std::size_t i);

// Moves the row's end behind its last label, where the end of the text is read.
void read_end_of_text(SearchRow& row);

// Adds the rows of request i to the unit, with `ends` as read_end_of_text does. Together they weigh `weight`,
// and so do those of the early steps. A bare prompt whose key is the sink's cannot be moved and is left out:
// the first context row stands for it.
void add_target_rows(SearchUnit& unit, const CallRows& all, std::size_t i, double weight,
                     const RowShares& shares, bool ends = false);

}  // namespace emend::editors
