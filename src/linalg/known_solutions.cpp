#include "linalg/known_solutions.h"

#include <ATen/ATen.h>

#include <cstddef>
#include <vector>

#include "base/xxh3_stream.h"

namespace emend {

namespace {

// Of each column of K [F, n].
std::vector<std::string> digests_of(const at::Tensor& K) {
  const at::Tensor rows = K.t().to(at::kCPU).contiguous();
  const auto* const bytes = static_cast<const std::byte*>(rows.const_data_ptr());
  const std::size_t size = static_cast<std::size_t>(rows.size(1)) * rows.element_size();
  std::vector<std::string> digests;
  for (std::size_t j = 0; j < static_cast<std::size_t>(rows.size(0)); ++j) {
    Xxh3Stream digest;
    digest.update({bytes + j * size, size});
    digests.push_back(digest.hex());
  }
  return digests;
}

}  // namespace

std::size_t KnownSolutions::room_for(std::int64_t F) const {
  if (F < kLeastRows) return 0;
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>((kMostBytes - bytes_) / (F * static_cast<std::int64_t>(sizeof(double))));
}

at::Tensor KnownSolutions::get(const at::Tensor& K,
                               const std::function<at::Tensor(const at::Tensor&)>& solve) {
  if (K.size(0) < kLeastRows || K.size(1) == 0) return solve(K);
  const std::vector<std::string> digests = digests_of(K);
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::int64_t> column_of;  // of the missing ones
  std::vector<std::int64_t> missing;
  for (std::size_t j = 0; j < digests.size(); ++j)
    if (!known_.contains(digests[j]) &&
        column_of.emplace(digests[j], static_cast<std::int64_t>(missing.size())).second)
      missing.push_back(static_cast<std::int64_t>(j));
  const bool all_new = missing.size() == digests.size();
  at::Tensor fresh;  // [m, F]
  if (!missing.empty()) {
    const at::Tensor columns = at::tensor(missing, at::TensorOptions(K.device()).dtype(at::kLong));
    fresh = solve(all_new ? K : K.index_select(1, columns)).t().contiguous();
  }
  std::vector<at::Tensor> solutions;
  for (const std::string& digest : digests) {
    const auto place = column_of.find(digest);
    solutions.push_back(place == column_of.end() ? known_.at(digest).to(K.device()) : fresh[place->second]);
  }
  for (const auto& [digest, column] : column_of) {
    if (bytes_ + static_cast<std::int64_t>(fresh[column].nbytes()) > kMostBytes) break;
    known_.emplace(digest, fresh[column].clone());
    bytes_ += static_cast<std::int64_t>(fresh[column].nbytes());
  }
  return all_new ? fresh.t() : at::stack(solutions, 1);
}

}  // namespace emend
