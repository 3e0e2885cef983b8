#include "delivery/own_type.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "delivery/feedback_rounding.h"
#include "io/element_types.h"
#include "linalg/spd_factor.h"

namespace emend {
namespace {

// Rows that one product with C takes together. Fixed, so that the result does not depend on the threads.
constexpr std::int64_t kRowsTogether = 32;

FeedbackProblem problem_of(const OwnTypeWeight& weight) {
  FeedbackProblem problem;
  problem.format = weight.type->format;
  problem.block_bytes = weight.type->block_bytes;
  problem.base = weight.base;
  problem.rows = weight.delta.size(0);
  problem.columns = weight.delta.size(1);
  problem.change = weight.delta.const_data_ptr<double>();
  if (weight.C.defined())
    (is_diagonal(weight.C) ? problem.diagonal : problem.C) = weight.C.const_data_ptr<double>();
  problem.keys = weight.keys.const_data_ptr<double>();
  problem.key_count = weight.keys.size(0);
  return problem;
}

// E C for a whole C, for its diagonal, and for the identity, which is not defined.
at::Tensor times(const at::Tensor& E, const at::Tensor& C) {
  if (!C.defined()) return E;
  return is_diagonal(C) ? E * C : at::mm(E, C);
}

// sum over the rows e of E of e C e^T
double weighted_square(const at::Tensor& E, const at::Tensor& C) {
  return (times(E, C) * E).sum().item<double>();
}

double noise_of(const OwnTypeWeight& weight) {
  at::Tensor diagonal = weight.C;
  if (weight.C.defined() && !is_diagonal(weight.C)) diagonal = weight.C.diagonal().contiguous();
  return rounding_noise(*weight.type->format, weight.type->block_bytes, weight.base, weight.delta.size(1),
                        diagonal.defined() ? diagonal.const_data_ptr<double>() : nullptr);
}

}  // namespace

std::vector<std::byte> round_to_own_type(const OwnTypeWeight& weight) {
  std::vector<std::byte> bytes(weight.base.size());
  const FeedbackRounding rounding(problem_of(weight));
  const std::int64_t rows = weight.delta.size(0), columns = weight.delta.size(1);
  at::parallel_for(0, (rows + kRowsTogether - 1) / kRowsTogether, 1,
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::int64_t group = first; group < last; ++group) {
                       const std::int64_t begin = group * kRowsTogether;
                       const std::int64_t end = std::min(rows, begin + kRowsTogether);
                       const at::Tensor errors = at::empty({end - begin, columns}, at::kDouble);
                       rounding.first_errors(begin, end, errors.mutable_data_ptr<double>());
                       const at::Tensor products = times(errors, weight.C);
                       rounding.round_rows(begin, end, products.const_data_ptr<double>(), bytes);
                     }
                   });
  return bytes;
}

RoundingReport report_rounding(const OwnTypeWeight& weight, const std::vector<std::byte>& bytes,
                               const at::Tensor& moved) {
  RoundingReport report;
  const at::Tensor wanted = at::mm(weight.delta, weight.keys.t());  // [out, n]
  const at::Tensor squares = (wanted * wanted).sum(0);
  const at::Tensor products = (at::mm(moved, weight.keys.t()) * wanted).sum(0);
  for (std::int64_t a = 0; a < squares.size(0); ++a) {
    const double square = squares[a].item<double>();
    if (square == 0) continue;
    const double share = products[a].item<double>() / square;
    report.worst_share = report.keys == 0 ? share : std::min(report.worst_share, share);
    report.mean_share += share;
    ++report.keys;
  }
  report.mean_share = report.keys == 0 ? 1 : report.mean_share / static_cast<double>(report.keys);
  const double noise = noise_of(weight), stray = weighted_square(moved - weight.delta, weight.C);
  report.stray = noise > 0 ? stray / noise : 0;
  report.blocks_changed = changed_blocks(weight.base, bytes, weight.type->block_bytes);
  report.blocks = static_cast<std::int64_t>(bytes.size() / weight.type->block_bytes);
  report.with_statistics = weight.C.defined();
  report.diagonal = weight.C.defined() && is_diagonal(weight.C);
  return report;
}

}  // namespace emend
