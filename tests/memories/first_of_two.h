// The first of two processes of a group.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "emend/shard_group.h"

namespace emend::test {

// The numbers of the other process are made from its own.
class FirstOfTwo : public ShardGroup {
 public:
  using Numbers = std::vector<std::uint64_t>;
  explicit FirstOfTwo(std::function<Numbers(const Numbers&)> other) : other_(std::move(other)) {}
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void sum_to_first(double*, std::int64_t) override {}
  Numbers gather_to_first(const Numbers& numbers) override {
    Numbers all = numbers;
    const Numbers more = other_(numbers);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Numbers gather_to_all(const Numbers& numbers) override { return gather_to_first(numbers); }
  void wait_for_all() override {}

 private:
  std::function<Numbers(const Numbers&)> other_;
};

}  // namespace emend::test
