// Second moments of a random model's keys over random ids: what a benchmark needs of a Statistics.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.h"
#include "emend/model.h"
#include "emend/pass.h"
#include "emend/statistics.h"

namespace emend::bench {

// C of the layers' keys over 16,384 random ids, plus a twentieth of its mean eigenvalue; float64 on the CPU.
inline Statistics random_statistics(const Model& model, const std::vector<int>& layers) {
  const c10::NoGradGuard no_grad;
  constexpr int kParts = 4, kRows = 16, kLength = 256;
  constexpr double kTokens = 1.0 * kParts * kRows * kLength;
  Statistics statistics;
  for (const int layer : layers) {
    at::Tensor sum;
    for (int part = 0; part < kParts; ++part) {
      PassInput input;
      for (int row = 0; row < kRows; ++row) {
        input.ids.emplace_back();
        for (int t = 0; t < kLength; ++t)
          input.ids.back().push_back(
              static_cast<std::int64_t>(Random(3, static_cast<std::uint64_t>(part * kRows + row))
                                            .below(static_cast<std::uint64_t>(t), 1400)));
      }
      input.stop = PassInput::Stop::kKey;
      input.stop_block = layer;
      input.recordings = {{Site::kKey, layer, {}}};
      const at::Tensor keys = model.forward(input).recorded[0].to(at::kFloat);
      const at::Tensor product = at::matmul(keys.t(), keys).to(at::kDouble);
      sum = sum.defined() ? sum.add_(product) : product;
    }
    sum.div_(kTokens);
    const double mean = sum.trace().item<double>() / static_cast<double>(sum.size(0));
    sum.diagonal().add_(0.05 * mean);
    statistics.layers[layer] = {sum.cpu(), static_cast<std::int64_t>(kTokens), {}, {}, {}};
    statistics.layers[layer].origin.fingerprint = "random ids";
  }
  return statistics;
}

}  // namespace emend::bench
