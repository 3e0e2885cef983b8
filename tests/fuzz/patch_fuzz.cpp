// A patch. Of one that is taken, the properties that laying it on a model relies on.
#include <ATen/ATen.h>

#include "delivery/patch_metadata.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "memory_file.h"
#include "read_input.h"

namespace emend::fuzz {

// A change is a matrix, or two that fit each other, of finite numbers.
void check_change(const WeightChange& change) {
  const auto is_finite = [](const at::Tensor& matrix) {
    return matrix.dim() == 2 && at::isfinite(matrix).all().item<bool>();
  };
  abort_unless(change.weight.block >= 0, "a change lies in a block");
  if (change.is_dense()) return abort_unless(is_finite(change.D), "a dense change is a finite matrix");
  abort_unless(is_finite(change.A) && is_finite(change.B), "the factors of a change are finite matrices");
  abort_unless(change.A.size(0) == change.B.size(1), "the factors of a change fit each other");
}

// What an edited fact holds of a weight fits the change of that weight.
void check_part(const FactPart& part, const WeightChange* change) {
  abort_unless(change != nullptr, "an edited fact lies at a weight that is changed");
  abort_unless(part.keys.dim() == 2 && part.keys.size(1) == change->inputs(), "keys fit the change");
  abort_unless(part.answers.dim() == 1 && part.answers.size(0) == part.keys.size(0),
               "each key has an answer");
  abort_unless(part.residual.dim() == 1 && part.residual.size(0) == change->outputs(),
               "residuals fit the change");
  for (const std::int64_t row : part.rows)
    abort_unless(row >= 0 && !change->is_dense() && row < change->A.size(0), "rows are those of A");
}

void read_input(std::string_view input) {
  const MemoryFile file(input);
  try {
    load_patch(file.path());
  } catch (const Error&) {  // by the digest, nearly always: what lies behind it is asked without it
  }
  const Patch patch = read_patch(*open_safetensors(file.path())).patch;
  for (const WeightChange& change : patch.edit.changes) {
    check_change(change);
    abort_unless(patch.edit.solve_of(change.weight) != nullptr, "a change says how it was solved");
  }
  for (const FactRecord& fact : patch.edit.facts) {
    abort_unless(fact.request.subject_begin <= fact.request.prompt.size(), "the subject lies in the prompt");
    abort_unless(!fact.parts.empty(), "a fact has a weight");
    for (const FactPart& part : fact.parts)
      if (fact.is_edited()) check_part(part, patch.edit.change_of(part.weight));
  }
}

}  // namespace emend::fuzz
