// The right side of an update: the residual r that makes the target likely, by L-BFGS or
// Adam on the cached upper blocks.
//
// Objective `written`: every token x of every row receives alpha(x) r at layer l, alpha = a^T k(x), so the
// loss is that of the model as it will be written. Objective `injected` (Meng et al. 2022, equation 4): r is
// added at the lookup token alone. A step runs blocks > l over the positions from the first one that r can
// move (causality: r at layer l moves nothing before it), on cached keys and values; logits only where a loss
// is read; no gradient of weights. The first steps need only a direction: they run a few of the rows, until
// the target is likely there; from then on every row takes part, and only losses over all rows are compared.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "editors/common/layer_trace.h"
#include "editors/common/search_unit.h"
#include "emend/progress.h"
#include "emend/search_journal.h"
#include "emend/shard_group.h"

namespace emend::editors {

// Asked of a unit, by its index, whose losses would have to be measured once more with every token moved:
// whether they are of no use, because its response is going to change.
using WillChange = std::function<bool(std::size_t unit, const SearchResult& found)>;

// Searches all units at the trace's last layer; each has its own state (lbfgs.h, adam.h), clamp and
// stop, and leaves the batch when it is done. A unit's result does not depend on the others beyond rounding.
// With a journal, results that it has kept are taken from there, and those of every batch are added to it:
// whatever it has, the results are those of a search without one, but for the lists of losses.
// With a group, every process calls this with the same units and searches a share of the batches; all of them
// get all results, which are those of one process alone, but for the lists of losses. The journal is that of
// the first process. Throws Error(kConfig) in all of them, before any searches, if they have other units.
// The progress counts steps: of each unit steps_at_most(), so that a stage of n units has n times as many.
std::vector<SearchResult> search_values(const Model& model, const LayerTrace& trace,
                                        const std::vector<SearchUnit>& units, const SearchOptions& options,
                                        Progress& progress, SearchJournal* journal = nullptr,
                                        ShardGroup* group = nullptr, const WillChange& will_change = {});

// The probability of the target at which a search stops; a loss that it stops at instead is that of one.
double stopping_probability(const SearchOptions& options);

// How many steps the progress of a search counts for each unit; a search without steps counts one.
std::int64_t steps_at_most(const SearchOptions& options);

}  // namespace emend::editors
