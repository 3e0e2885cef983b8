// A record's answers in the shape of the report: what was asked, what was said before and after.
#pragma once

#include <vector>

#include "emend/dataset.h"
#include "emend/eval.h"
#include "measure/questions.h"

namespace emend {

// Prompts with the answers that were asked for; what no metric asked is left out.
std::vector<AnswerTrace> answer_traces(const EvalRecord& record, const Answers& base, const Answers& now);

}  // namespace emend
