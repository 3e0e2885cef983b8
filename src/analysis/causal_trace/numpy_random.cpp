#include "analysis/causal_trace/numpy_random.h"

#include <cmath>

namespace emend::trace {

double NumpyRandom::uniform() {
  const auto high = static_cast<double>(engine_() >> 5), low = static_cast<double>(engine_() >> 6);
  return (high * 67108864.0 + low) / 9007199254740992.0;
}

double NumpyRandom::normal() {
  if (held_) {
    held_ = false;
    return held_value_;
  }
  double x1 = 0, x2 = 0, r2 = 0;
  do {
    x1 = 2 * uniform() - 1;
    x2 = 2 * uniform() - 1;
    r2 = x1 * x1 + x2 * x2;
  } while (r2 >= 1 || r2 == 0);
  const double f = std::sqrt(-2 * std::log(r2) / r2);
  held_ = true;
  held_value_ = f * x1;
  return f * x2;
}

}  // namespace emend::trace
