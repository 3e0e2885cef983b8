// The residuals of a plan: each searched with its own response, then settled on the joint solution.
#pragma once

#include <cstddef>
#include <functional>
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

// Whether the response `a` of a group is going to change, since its edit, as it was found, is to be held at
// other subjects.
using WillBeHeld = std::function<bool(std::size_t group, const at::Tensor& a, const SearchResult& found)>;

// Every group with the response given for it, as if it were alone. Of groups that will be held no losses are
// measured beyond those that the search saw.
RomeSolution search_alone(const RomePlan& plan, std::vector<at::Tensor> responses, Progress& progress,
                          const WillBeHeld& will_be_held = {});

// The losses and probabilities of these groups as they are written now, each as if it were alone, with every
// token moved.
void measure(const RomePlan& plan, RomeSolution& solution, const std::vector<std::size_t>& groups,
             Progress& progress);

// The same of groups whose responses have changed. Those whose targets are not likelier than `probability`
// are searched on, from where they stand, until they are (whatever the loss is that searches stop at).
void search_on(const RomePlan& plan, RomeSolution& solution, const std::vector<std::size_t>& groups,
               double probability, Progress& progress);

// Of the groups whose search converged: solved jointly each a also answers 0 on everybody else's keys; what
// that weakened is searched again from where it stands, with the others' residuals held, in at most two
// rounds. Losses are those of all residuals as they are written. A group whose search did not converge is
// neither held nor written, and stays as it is in the solution.
void settle_jointly(const RomePlan& plan, RomeSolution& solution, Progress& progress);

}  // namespace emend::editors
