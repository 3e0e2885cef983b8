// Records made ready for one model: answers that the data does not give are found, and what the model cannot
// be asked is left out and counted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "analysis/prompt_rows.h"
#include "emend/checks.h"
#include "emend/dataset.h"
#include "emend/eval.h"
#include "emend/model.h"

namespace emend {

struct FitOptions {
  bool fill_present_answers = true;  // of requests that name none; false if the targets are true answers
  bool with_statement = false;       // neighbours are asked after the edited statement, too (CounterFact+)
  std::int64_t extra_tokens = 3;     // that a greedy text is longer than its answer
  std::optional<RowForm> other_form = {};  // that everything is asked in as well
};

// Empty present answers, and empty answers of neighbours and locality questions, become the unedited model's
// greedy ones. Left out are records whose prompt, with room for contexts, does not fit into the model's
// positions, and single questions that are too long or still have no answer. `data.skipped` and `data.notes`
// say how many of each.
void fit_records(const Model& model, std::vector<EvalRecord>& records, const CheckOptions& checks,
                 const FitOptions& options, DatasetFile& data);

// Where several records are edited together, asking that a neighbour stays would contradict the edit that
// rewrites it. Drops neighbours that another record of the same edit is about, and returns how many: its
// prompt or one of its paraphrases is the neighbour's, or it has the record's relation and its subject stands
// in the neighbour's prompt. The same edit: the N consecutive records of batch:N, all records of a sequential
// run; in single mode nothing is dropped.
std::int64_t leave_out_edited_neighbours(std::vector<EvalRecord>& records, const EvalMode& mode);

// A question whose answer follows from several records (KindQuestion::needs) can be asked where all of them
// are edited together: in single mode never, in batch:N if they are among the N, in sequential mode if they
// are among the records. Drops the others, and returns how many.
std::int64_t leave_out_joint_questions(std::vector<EvalRecord>& records, const EvalMode& mode);

}  // namespace emend
