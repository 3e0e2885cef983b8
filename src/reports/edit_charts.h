// The charts of a report on an edit: which figures go into which.
#pragma once

#include <vector>

#include "emend/edit.h"
#include "reports/page.h"

namespace emend {

// The probability of the answer that is wanted, before and after: of prompts, of paraphrases, and of
// neighbours. One row a prompt, and a histogram if there are more than 40. What is not there has no chart;
// facts that were true already are left out.
std::vector<TitledChart> answer_charts(const std::vector<FactRecord>& facts);

// The norm of each fact's update, relative to its weights; for 2 to 40 facts that were edited.
std::vector<TitledChart> norm_charts(const std::vector<FactRecord>& facts);

}  // namespace emend
