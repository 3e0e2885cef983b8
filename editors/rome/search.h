// The residuals of a plan: each searched with its own response, then settled on the joint solution.
#pragma once

#include <vector>

#include "editors/common/search_unit.h"
#include "editors/rome/plan.h"
#include "emend/progress.h"

namespace emend::editors {

// One residual for each group, with the response that it is written with.
struct RomeSolution {
  std::vector<at::Tensor> responses;  // a of each group, [F] float64
  std::vector<SearchResult> results;
};

// Every group with the response given for it, as if it were alone.
RomeSolution search_alone(const RomePlan& plan, std::vector<at::Tensor> responses, Progress& progress);

// Searches these groups on with their responses as they are now, each as if it were alone, from where they
// stand, until their targets are likelier than `probability` (whatever the loss is that searches stop at).
// Those whose targets are so already are measured, and stay.
void search_on(const RomePlan& plan, RomeSolution& solution, const std::vector<std::size_t>& groups,
               double probability, Progress& progress);

// Of the groups whose search converged: solved jointly each a also answers 0 on everybody else's keys; what
// that weakened is searched again from where it stands, with the others' residuals held, in at most two
// rounds. Losses are those of all residuals as they are written. A group whose search did not converge is
// neither held nor written, and stays as it is in the solution.
void settle_jointly(const RomePlan& plan, RomeSolution& solution, Progress& progress);

}  // namespace emend::editors
