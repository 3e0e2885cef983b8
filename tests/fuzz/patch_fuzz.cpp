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
    abort_unless(change.block >= 0 && change.A.dim() == 2 && change.B.dim() == 2, "a change has two factors");
    abort_unless(change.A.size(0) == change.B.size(1), "the factors of a change fit each other");
    abort_unless(at::isfinite(change.A).all().item<bool>() && at::isfinite(change.B).all().item<bool>(),
                 "a change is finite");
  }
  for (const EditedFact& fact : patch.edit.facts)
    abort_unless(fact.request.subject_begin <= fact.request.prompt.size(), "the subject lies in the prompt");
}

}  // namespace emend::fuzz
