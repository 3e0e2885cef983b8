// x W^T of few rows: by the library (at::linear), and by emend's own kernel where the processor has one.
//
//   linear_rows_bench [REPEATS] [THREADS]
//
// The matrices are those of SmolLM2-135M, random: gate and up of an MLP, its down projection, queries to
// values, and the head. A round goes over a dozen of each, so that they come from memory as in a pass. Prints
// milliseconds of processor time for each product, the best of REPEATS rounds (5).
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "bench/stopwatch.h"
#include "model/linear_rows.h"

using namespace emend;

namespace {

struct Shape {
  const char* name;
  std::int64_t out, in, count;
};

constexpr Shape kShapes[] = {{"gate and up", 3072, 576, 12},
                             {"down", 576, 1536, 12},
                             {"queries, keys, values", 960, 576, 12},
                             {"head", 49152, 576, 1}};

double best_milliseconds(const std::vector<at::Tensor>& matrices, int repeats,
                         const std::function<void(const at::Tensor&)>& product) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i)
    best = std::min(best, bench::seconds_of([&] {
                            for (const at::Tensor& matrix : matrices) product(matrix);
                          }).processor);
  return 1e3 * best / static_cast<double>(matrices.size());
}

}  // namespace

int main(int argc, char** argv) {
  const int repeats = argc > 1 ? std::atoi(argv[1]) : 5;
  at::set_num_threads(argc > 2 ? std::atoi(argv[2]) : 1);
  const c10::NoGradGuard no_grad;
  at::manual_seed(1);
  std::printf("%-22s %5s %10s %10s %6s\n", "matrix", "rows", "library", "emend", "ratio");
  for (const Shape& shape : kShapes) {
    std::vector<at::Tensor> matrices;
    for (std::int64_t i = 0; i < shape.count; ++i) matrices.push_back(at::randn({shape.out, shape.in}));
    for (const std::int64_t rows : {1, 2, 6, 20, 48, 95, 256}) {
      const at::Tensor x = at::randn({rows, shape.in});
      const double library =
          best_milliseconds(matrices, repeats, [&](const at::Tensor& matrix) { at::linear(x, matrix); });
      const double own =
          best_milliseconds(matrices, repeats, [&](const at::Tensor& matrix) { linear_rows(x, matrix, {}); });
      std::printf("%-22s %5lld %10.2f %10.2f %6.2f\n", shape.name, static_cast<long long>(rows), library, own,
                  own / library);
      std::fflush(stdout);
    }
  }
}
