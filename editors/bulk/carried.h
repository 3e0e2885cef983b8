// The facts of the edit that is on the model already, as they enter a new solve.
#pragma once

#include <string>
#include <vector>

#include "editors/bulk/preserve.h"
#include "emend/edit.h"
#include "emend/records.h"
#include "linalg/key_constraints.h"

namespace emend::editors {

struct CarriedFacts {
  std::vector<FactRecord> facts;  // those that stay as they are
  // Whose key one of the new requests has, or had a fact that is replaced: they are searched again.
  std::vector<EditRequest> again;
  bool stale_removed = false;  // facts were taken out: the changes on the model are not those of `facts`
};

// Sorts the facts of `earlier` (nullptr: there is none). One that a new request replaces (its id or its
// prompt) is left out, and one of the same subject text is searched again, since a key holds one residual.
CarriedFacts carry_facts(const Edit* earlier, const std::vector<EditRequest>& requests);

// Throws Error(kConfig), naming the weight and what differs, if `earlier` (nullptr: there is none) writes a
// weight that is not among those of `preserve`, or solved one in another way.
void require_carriable(const Edit* earlier, const std::vector<Preserve>& preserve, const std::string& method);

// Facts of one key and one residual at a weight.
struct CarriedGroup {
  std::vector<std::size_t> facts;  // their places
  KeyConstraint constraint;
  at::Tensor residual;  // [D] float32
};

// The edited facts that write to this weight.
std::vector<CarriedGroup> carried_groups(const std::vector<FactRecord>& facts, const WeightRef& weight);

}  // namespace emend::editors
