#include "model/vector_math.h"

#include <ATen/ATen.h>

#include <mutex>

namespace emend {

void settle_vector_math() {
  static std::once_flag done;
  std::call_once(done, [] {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      const at::Tensor one = at::full({1}, 0.5, type);
      for (const auto function :
           {at::exp, at::expm1, at::log, at::log1p, at::log2, at::log10, at::sqrt, at::sin, at::cos, at::tan,
            at::asin, at::acos, at::atan, at::tanh, at::erf, at::erfc, at::erfinv})
        function(one);
    }
  });
}

}  // namespace emend
