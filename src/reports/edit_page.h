// The page of an edit: whether it holds, each fact before and after, how it was solved, what it was made
// with.
#pragma once

#include <string>

#include "emend/edit_run.h"

namespace emend {

// The outcome as a whole document (reports/page.h). Every fact is in the tables; the answers to paraphrases
// and neighbours are shown for the first 200 facts, those that do not hold first, and the page says so.
std::string edit_page(const EditOutcome& outcome);

}  // namespace emend
