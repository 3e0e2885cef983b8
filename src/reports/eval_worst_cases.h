// The records that went wrong, the worst first: what a mean does not show.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "emend/eval.h"

namespace emend {

struct WorstCase {
  const RecordResult* record = nullptr;
  const AnswerTrace* answer = nullptr;  // nullptr: the edit failed before anything was asked
  double margin = 0;                    // probability of the expected answer less that of the other; the
                                        // former alone where there is no other; NaN: not measured
};

struct WorstCases {
  std::string title;             // "Edits that failed"
  std::string meaning;           // what puts a record here, in a sentence
  std::vector<WorstCase> cases;  // all of them, by rising margin; they point into the records
};

// Edits that failed (no update, or the target is not likelier than the present answer or not the greedy
// continuation), edits that hold under teacher forcing but not in free text, paraphrases on which the target
// is not likelier, and neighbours whose answer beat the target before and does not after. Kinds without cases
// are there, empty.
std::vector<WorstCases> find_worst_cases(const std::vector<RecordResult>& records);

}  // namespace emend
