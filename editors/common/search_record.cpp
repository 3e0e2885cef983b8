#include "editors/common/search_record.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <utility>

#include "emend/error.h"

namespace emend::editors {

namespace {

// One row of FoundValues::numbers.
constexpr std::int64_t kNumbers = 12;

std::array<double, kNumbers> numbers_of(const SearchResult& result) {
  return {result.loss,
          result.nll,
          result.kl,
          result.bare_probability,
          result.mean_probability,
          result.first_loss,
          result.v0_norm,
          static_cast<double>(result.steps),
          static_cast<double>(result.early_steps),
          result.finite ? 1.0 : 0.0,
          result.converged ? 1.0 : 0.0,
          result.end_probability};
}

SearchResult result_of(const double* row, at::Tensor r) {
  SearchResult result;
  result.r = std::move(r);
  result.loss = row[0];
  result.nll = row[1];
  result.kl = row[2];
  result.bare_probability = row[3];
  result.mean_probability = row[4];
  result.first_loss = row[5];
  result.v0_norm = row[6];
  result.steps = static_cast<int>(row[7]);
  result.early_steps = static_cast<int>(row[8]);
  result.finite = row[9] != 0;
  result.converged = row[10] != 0;
  result.end_probability = row[11];
  return result;
}

}  // namespace

FoundValues pack_results(std::span<const SearchResult> results) {
  if (results.empty()) return {};
  std::vector<at::Tensor> residuals;
  std::vector<double> numbers;
  for (const SearchResult& result : results) {
    residuals.push_back(result.r.to(at::kCPU, at::kFloat));
    const auto row = numbers_of(result);
    numbers.insert(numbers.end(), row.begin(), row.end());
  }
  const auto rows = static_cast<std::int64_t>(results.size());
  return {at::stack(residuals), at::tensor(numbers, at::kDouble).reshape({rows, kNumbers})};
}

std::vector<SearchResult> unpack_results(const FoundValues& found, const at::Device& device) {
  if (found.size() == 0) return {};
  if (found.numbers.dim() != 2 || found.numbers.size(0) != found.size() || found.numbers.size(1) != kNumbers)
    throw Error(ErrorKind::kFormat,
                fmt::format("the values that were kept of a search have {} numbers, and {} values of {} "
                            "numbers each were expected",
                            found.numbers.numel(), found.size(), kNumbers));
  const at::Tensor numbers = found.numbers.contiguous();
  const auto* const rows = numbers.const_data_ptr<double>();
  std::vector<SearchResult> results;
  for (std::int64_t i = 0; i < found.size(); ++i)
    results.push_back(result_of(rows + i * kNumbers, found.residuals[i].to(device).clone()));
  return results;
}

}  // namespace emend::editors
