// Whether all elements of a large matrix are finite numbers.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

namespace emend {

// Some rows at a time: at::isfinite makes two copies of what it is given. Of a vector its elements.
inline bool is_finite(const at::Tensor& C) {
  constexpr std::int64_t kRows = 256;
  for (std::int64_t begin = 0; begin < C.size(0); begin += kRows)
    if (!at::isfinite(C.narrow(0, begin, std::min(kRows, C.size(0) - begin))).all().item<bool>())
      return false;
  return true;
}

}  // namespace emend
