// The same questions answered twice, right or wrong: does one side get more of them right than chance would
// have it?
#pragma once

#include <cstdint>

namespace emend {

// The exact test of McNemar (Psychometrika 12, 1947): of the `lost + gained` questions that came out
// differently, were right to wrong and wrong to right equally likely? Two-sided: twice the binomial
// probability (n, 1/2) of at most min(lost, gained), at most 1; 1 if none came out differently. Neither is
// negative.
double mcnemar_exact_p(std::int64_t lost, std::int64_t gained);

}  // namespace emend
