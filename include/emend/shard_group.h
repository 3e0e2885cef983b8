// The processes that share one run.
#pragma once

#include <cstdint>
#include <vector>

namespace emend {

// Process r of n does shard r of n. Every process makes the same calls in the same order.
class ShardGroup {
 public:
  virtual ~ShardGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  // Adds the numbers of all processes, element by element, into those of rank 0.
  virtual void sum_to_first(double* numbers, std::int64_t count) = 0;
  // Rank 0 gets the numbers of all processes, one process after another. Other ranks must not use the result.
  virtual std::vector<std::uint64_t> gather_to_first(const std::vector<std::uint64_t>& numbers) = 0;
  // Every process gets the numbers of all, one process after another.
  virtual std::vector<std::uint64_t> gather_to_all(const std::vector<std::uint64_t>& numbers) = 0;
  // Returns once all processes have called it.
  virtual void wait_for_all() = 0;
};

}  // namespace emend
