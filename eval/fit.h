// Records made ready for one model: answers that the data does not give are found, and what the model cannot
// be asked is left out and counted.
#pragma once

#include <cstdint>
#include <vector>

#include "emend/checks.h"
#include "emend/dataset.h"
#include "emend/model.h"

namespace emend {

struct FitOptions {
  bool fill_present_answers = true;  // of requests that name none; false if the targets are true answers
  bool with_statement = false;       // neighbours are asked after the edited statement, too (CounterFact+)
  std::int64_t extra_tokens = 3;     // that a greedy text is longer than its answer
};

// Empty present answers, and empty answers of neighbours and locality questions, become the unedited model's
// greedy ones. Left out are records whose prompt, with room for contexts, does not fit into the model's
// positions, and single questions that are too long or still have no answer. `data.skipped` and `data.notes`
// say how many of each.
void fit_records(const Model& model, std::vector<EvalRecord>& records, const CheckOptions& checks,
                 const FitOptions& options, DatasetFile& data);

}  // namespace emend
