// Neighbours that an edit rewrites itself: where several records are edited together, asking that they stay
// would contradict the edit.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/dataset.h"
#include "emend/eval.h"

namespace emend {

// Drops neighbours that another record of the same edit is about, and returns how many: its prompt or one of
// its paraphrases is the neighbour's, or it has the record's relation and its subject stands in the
// neighbour's prompt. The same edit: the N consecutive records of batch:N, all records of a sequential run;
// in single mode nothing is dropped.
std::int64_t leave_out_edited_neighbours(std::vector<EvalRecord>& records, const EvalMode& mode);

}  // namespace emend
