// The forward pass on small models of both shapes, with the plain way of asking beside it.
#pragma once

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "support/model_files.h"
#include "support/tiny_models.h"

namespace emend::test {

// What two ways of computing the same may differ by, float32.
constexpr double kPassRounding = 2e-5;

// Numbers in [-scale, scale] that look random.
inline at::Tensor numbers(const std::vector<std::int64_t>& sizes, double scale, double phase = 0) {
  const at::Tensor flat = at::arange(at::empty(sizes, at::kFloat).numel(), at::kFloat);
  return (scale * at::sin(flat * 1.7 + phase)).view(sizes);
}

// Tests take their model, "gpt2" or "llama", as parameter.
class PassFixture : public ::testing::TestWithParam<std::string> {
 protected:
  PassFixture() : model_(tiny_model(GetParam())) {}
  TokenIds ids(std::size_t count, std::uint64_t seed) const {
    return some_ids(count, model_.config().vocab, seed);
  }

  const c10::NoGradGuard no_grad_;
  Model model_;
};

}  // namespace emend::test
