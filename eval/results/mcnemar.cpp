#include "eval/results/mcnemar.h"

#include <algorithm>
#include <cmath>

namespace emend {

// log C(n, k) by the gamma function, so that thousands of questions neither overflow nor vanish.
double mcnemar_exact_p(std::int64_t lost, std::int64_t gained) {
  const auto n = static_cast<double>(lost + gained);
  double share = 0;
  for (std::int64_t i = 0; i <= std::min(lost, gained); ++i) {
    const auto k = static_cast<double>(i);
    share += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  }
  return std::min(1.0, 2 * share);
}

}  // namespace emend
