// Corrupted embeddings of a subject.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <random>
#include <vector>

#include "emend/generate.h"
#include "emend/locate.h"

namespace emend::trace {

// The draws of NumPy's legacy RandomState, so that traces can be compared with those of other programs:
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

// Which draws: those of fact `number` under `seed`.
struct NoiseSource {
  std::uint64_t seed = 0;
  std::uint64_t number = 0;
};

// Token embeddings (before positions) of the subject's tokens in every sample [samples, subject tokens, D]
// float32: the table's rows plus noise in float64, rounded once. `sigma` is what relative levels count in;
// `pool` what kTokens draws from (never the token itself; the whole vocabulary without special tokens when it
// is too small).
at::Tensor corrupted_embeddings(const Model& model, const TokenIds& subject, const TraceNoise& noise,
                                int samples, double sigma, const std::vector<std::int64_t>& pool,
                                const NoiseSource& source);

}  // namespace emend::trace
