// Records made ready for one model: answers that nobody gave are found, and what it cannot be asked is left
// out and counted.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/checks.h"
#include "emend/dataset.h"
#include "emend/model.h"

namespace emend {

struct FitOptions {
  bool fill_present_answers = true;  // of requests that name none (not for sets whose targets are true)
  bool with_statement = false;       // neighbours are asked after the edited statement, too (CounterFact+)
  std::int64_t extra_tokens = 3;     // that a greedy text is longer than its answer
};

// Present answers, and answers of neighbours and locality questions that are empty, become the unedited
// model's greedy ones. Records whose prompt is longer than the model's positions allow, with room for
// contexts, are left out; so are single questions that are too long or still have no answer. `data.skipped`
// and `data.notes` say how many of each.
void fit_records(const Model& model, std::vector<EvalRecord>& records, const CheckOptions& checks,
                 const FitOptions& options, DatasetFile& data);

}  // namespace emend
