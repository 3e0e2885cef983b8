// A patch. Of one that is taken, the properties that laying it on a model relies on.
#include <ATen/ATen.h>

#include "emend/patch.h"
#include "memory_file.h"
#include "read_input.h"

namespace emend::fuzz {

void read_input(std::string_view input) {
  const MemoryFile file(input);
  const Patch patch = load_patch(file.path());
  for (const WeightChange& change : patch.edit.changes) {
    const auto [A, B] = change.factors();
    abort_unless(change.weight.block >= 0 && A.dim() == 2 && B.dim() == 2, "a change has two factors");
    abort_unless(A.size(0) == B.size(1), "the factors of a change fit each other");
    abort_unless(at::isfinite(A).all().item<bool>() && at::isfinite(B).all().item<bool>(), "a change is finite");
    abort_unless(patch.edit.solve_of(change.weight) != nullptr, "a change says how it was solved");
  }
  for (const FactRecord& fact : patch.edit.facts)
    abort_unless(fact.request.subject_begin <= fact.request.prompt.size(), "the subject lies in the prompt");
}

}  // namespace emend::fuzz
