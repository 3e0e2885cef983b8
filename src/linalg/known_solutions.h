// Solutions that are known already, column by column: a solve with a large factor reads all of it, however
// few columns it has, so that the keys of many edits are best solved together and kept.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace emend {

// Any thread may call.
class KnownSolutions {
 public:
  // Factors of fewer rows are read so fast that nothing is kept.
  static constexpr std::int64_t kLeastRows = 1024;
  static constexpr std::int64_t kMostBytes = std::int64_t{1} << 29;  // of solutions; later ones are not kept

  // How many more columns of F elements are kept; 0 for few rows.
  std::size_t room_for(std::int64_t F) const;

  // X [F, n] with A X = K [F, n] float64: solve(those columns of K that are not known, [F, m]) gives the
  // missing ones in one call. Equal columns are one. Columns of one call may differ in rounding from
  // those of another.
  at::Tensor get(const at::Tensor& K, const std::function<at::Tensor(const at::Tensor&)>& solve);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, at::Tensor> known_;  // [F] by the digest of the column that was solved
  std::int64_t bytes_ = 0;
};

}  // namespace emend
