// The draws of NumPy's legacy RandomState, so that traces can be compared with those of other programs.
#pragma once

#include <cstdint>
#include <random>

namespace emend::trace {

// MT19937 seeded by Knuth's recurrence; 53-bit uniforms; normals by the polar method, the second of a pair
// first.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) : engine_(seed) {}

  double uniform();  // in [0, 1)
  double normal();

 private:
  std::mt19937 engine_;
  bool held_ = false;
  double held_value_ = 0;
};

}  // namespace emend::trace
