#include "linalg/moment_sum.h"

#include "support/model_files.h"

namespace emend {
namespace {

at::Tensor keys(std::int64_t count, std::int64_t size) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(3);
  // A mean away from zero, as keys after an activation have it.
  return at::empty({count, size}, at::kFloat).normal_(0.3, 1, generator);
}

at::Tensor sum_in_portions(const at::Tensor& all, const std::vector<std::int64_t>& portions,
                           std::int64_t limit = 1 << 30) {
  MomentSum sum(all.size(1));
  std::int64_t at = 0;
  for (std::size_t i = 0; at < all.size(0); ++i) {
    const std::int64_t count = std::min(portions[i % portions.size()], all.size(0) - at);
    sum.add(all.narrow(0, at, count), limit);
    at += count;
  }
  return sum.value();
}

TEST(MomentSum, EqualsTheFloat64Product) {
  const at::Tensor k = keys(3000, 24);
  const at::Tensor found = sum_in_portions(k, {512}), wide = k.to(at::kDouble),
                   wanted = at::matmul(wide.t(), wide);
  EXPECT_EQ(found.scalar_type(), at::kDouble);
  EXPECT_LT((found - wanted).norm().item<double>(), 1e-6 * wanted.norm().item<double>());
}

TEST(MomentSum, PortionsDoNotMatterToTheLastBit) {
  const at::Tensor k = keys(3000, 24), whole = sum_in_portions(k, {3000});
  for (const std::vector<std::int64_t>& portions :
       std::vector<std::vector<std::int64_t>>{{1}, {7, 1000, 1, 30}, {1024}, {1023, 2}, {2048, 100}})
    EXPECT_TRUE(at::equal(sum_in_portions(k, portions), whole)) << "portions of " << portions.front();
}

TEST(MomentSum, IsSymmetric) {
  const at::Tensor sum = sum_in_portions(keys(1500, 24), {100});
  EXPECT_TRUE(at::equal(sum, sum.t()));
}

TEST(MomentSum, StopsAtTheLimit) {
  const at::Tensor k = keys(3000, 8);
  for (const std::int64_t limit : {5, 1024, 1500, 2048}) {
    MomentSum sum(8);
    for (std::int64_t at = 0; at < 3000; at += 300) sum.add(k.narrow(0, at, 300), limit);
    EXPECT_EQ(sum.count(), limit);
    EXPECT_TRUE(at::equal(sum.value(), sum_in_portions(k.narrow(0, 0, limit), {300}))) << "limit " << limit;
  }
}

TEST(MomentSum, AskingForTheValueDoesNotDisturbTheSum) {
  const at::Tensor k = keys(2500, 8);
  MomentSum sum(8);
  for (std::int64_t at = 0; at < 2500; at += 500) {
    sum.add(k.narrow(0, at, 500), 1 << 30);
    sum.value();
  }
  EXPECT_TRUE(at::equal(sum.value(), sum_in_portions(k, {2500})));
}

TEST(MomentSum, NarrowKeysAreSummedInFloat32) {
  const at::Tensor narrow = keys(1100, 8).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(sum_in_portions(narrow, {200}), sum_in_portions(narrow.to(at::kFloat), {200})));
}

TEST(MomentSum, OfNothingIsZero) {
  EXPECT_TRUE(at::equal(MomentSum(4).value(), at::zeros({4, 4}, at::kDouble)));
}

}  // namespace
}  // namespace emend
