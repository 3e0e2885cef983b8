// The lists of CounterFact (Meng et al. 2022, section 3.3), rebuilt for sets that lost or never had them.
#pragma once

#include <string>
#include <vector>

#include "datasets/fact_pool.h"
#include "emend/dataset.h"

namespace emend {

// CounterFact has ten neighbours and ten attribute prompts a record.
inline constexpr std::size_t kDerivedQuestions = 10;

// Adds to every record up to ten neighbours (facts of its group with its present answer) behind those that it
// has, and up to ten attribute prompts (facts of its group with its target). groups[i] is the group of
// records[i].
void derive_questions(std::vector<EvalRecord>& records, const std::vector<std::string>& groups,
                      const FactPool& pool);

// The prompts of the records themselves, as facts.
FactPool pool_of(const std::vector<EvalRecord>& records, const std::vector<std::string>& groups);

}  // namespace emend
