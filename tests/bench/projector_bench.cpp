// The projector onto the small eigenvalues of C, by eigenvectors and by the sign of C - tau I
// (src/linalg/spectral_projector.h), in one run with their difference.
//
//   projector_bench ELEMENTS [DEVICE] [SHARE] [REPEATS]
//
// C [ELEMENTS, ELEMENTS] float64 has eigenvalues over ten decades and four that are far larger, as keys have,
// with random eigenvectors; tau is where SHARE (0.8) of them lie below. Prints one JSON object; medians of
// REPEATS (3; 0: one run that is not warm), wall and processor time. ELEMENTS 14336 is Llama 3 8B.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "bench/projector_ways.h"

namespace {

at::Tensor moment_like_that_of_keys(std::int64_t n, const at::Device& device) {
  at::manual_seed(1);
  const at::Tensor directions = std::get<0>(at::linalg_qr(at::randn({n, n}, at::kDouble).to(device)));
  at::Tensor values = at::pow(10, at::linspace(-9, 1, n, directions.options()));
  values.narrow(0, n - 4, 4).copy_(at::tensor({2e2, 1e3, 5e3, 1e4}, at::kDouble));
  const at::Tensor C = at::mm(directions * values, directions.t());
  return (C + C.t()).mul_(0.5);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: projector_bench ELEMENTS [DEVICE] [SHARE] [REPEATS]\n");
    return argc == 1 ? 0 : 2;  // scripts/bench.sh runs all programs without arguments
  }
  const at::Device device(argc > 2 ? argv[2] : "cpu");
  const double share = argc > 3 ? std::atof(argv[3]) : 0.8;
  const int repeats = argc > 4 ? std::atoi(argv[4]) : 3;
  const at::Tensor C = moment_like_that_of_keys(std::atoll(argv[1]), device);
  std::printf("%s\n", emend::bench::both_projectors(C, share, repeats).seconds.dump(2).c_str());
  return 0;
}
