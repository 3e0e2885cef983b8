// Patches of format 1, as emend 0.1 wrote them until its edits named their weights. They hold one layer a
// fact, the tensors of each fact under names of its own, and no word of how they were solved: that is read
// off the options of ROME, the only method that there was.
#pragma once

#include "delivery/patch_fields.h"
#include "emend/patch.h"

namespace emend {

class TensorReader;

// Fills facts (without tensors), what was measured of them, and solves. Throws Error(kFormat).
void read_format1_facts(const PatchFields& fields, Edit& edit);

// Fills the tensors of the facts; the changes are read already. Throws Error(kFormat).
void read_format1_tensors(TensorReader& reader, Edit& edit);

}  // namespace emend
