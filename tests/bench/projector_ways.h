// The projector onto the small eigenvalues of C made both ways, by eigenvectors and by the sign of a matrix.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "bench/real_shapes.h"
#include "bench/stopwatch.h"
#include "linalg/response_solver.h"
#include "linalg/spectral_projector.h"

namespace emend::bench {

struct ProjectorWays {
  double threshold = 0;  // below which the share lies
  nlohmann::json seconds;
};

// C [F, F] float64 lies on its device. Of each way the medians over `repeats`, in wall and processor time,
// after one run that is not counted; `eigenvalues`: those alone, which a share of the directions would need.
// The differences are those of the two projectors and, of each, of P^2 from P (Frobenius norms).
inline ProjectorWays both_projectors(const at::Tensor& C, double share, int repeats) {
  std::optional<Spectrum> spectrum;
  at::Tensor P;
  ProjectorWays ways;
  const auto timed = [&](const char* name, const std::function<void()>& make) {
    std::vector<double> wall, processor;
    for (int i = 0; i <= repeats; ++i) {
      const Seconds seconds = seconds_of([&] {
        make();
        finish(C.device());
      });
      if (i == 0 && repeats > 0) continue;
      wall.push_back(seconds.wall);
      processor.push_back(seconds.processor);
    }
    ways.seconds[name] = {{"wall", median(wall)}, {"processor", median(processor)}};
  };
  timed("eigenvectors", [&] {
    spectrum.reset();
    spectrum = spectrum_of(C, C.device(), "C");
    ways.threshold = threshold_for(*spectrum, share);
  });
  timed("eigenvalues", [&] { at::linalg_eigvalsh(C); });
  timed("sign", [&] {
    P = at::Tensor();
    if (auto made = projector_below(C, ways.threshold, C.device())) P = made->P;
  });
  const auto defect = [](const at::Tensor& A) { return (at::mm(A, A) - A).norm().item<double>(); };
  ways.seconds["elements"] = C.size(0);
  ways.seconds["threshold"] = ways.threshold;
  ways.seconds["nearest_eigenvalue"] = (spectrum->values - ways.threshold).abs().min().item<double>();
  ways.seconds["largest_eigenvalue"] = spectrum->values[-1].item<double>();
  ways.seconds["converged"] = P.defined();
  if (!P.defined()) return ways;
  const at::Tensor U = null_space_of(*spectrum, ways.threshold, "C").basis;
  spectrum.reset();
  const at::Tensor by_vectors = at::mm(U, U.t());
  ways.seconds["rank"] = U.size(1);
  ways.seconds["trace_minus_rank"] = P.trace().item<double>() - static_cast<double>(U.size(1));
  ways.seconds["difference"] = (P - by_vectors).norm().item<double>();
  ways.seconds["largest_difference"] = (P - by_vectors).abs().max().item<double>();
  ways.seconds["defect_of_eigenvectors"] = defect(by_vectors);
  ways.seconds["defect_of_sign"] = defect(P);
  return ways;
}

}  // namespace emend::bench
