#include "linalg/moment_sum.h"

#include <limits>

#include "support/model_files.h"

namespace emend {
namespace {

at::Tensor keys(std::int64_t count, std::int64_t size) {
  at::Generator generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(3);
  // A mean away from zero, as keys after an activation have it.
  return at::empty({count, size}, at::kFloat).normal_(0.3, 1, generator);
}

// Portions of these sizes in turn; the last is what is left.
MomentSum sum_in_portions(const at::Tensor& all, const std::vector<std::int64_t>& portions) {
  MomentSum sum(all.size(1));
  at::Tensor scratch;
  std::int64_t at = 0;
  for (std::size_t i = 0; at < all.size(0); ++i) {
    const std::int64_t count = std::min(portions[i % portions.size()], all.size(0) - at);
    EXPECT_TRUE(sum.add(all.narrow(0, at, count), scratch));
    at += count;
  }
  return sum;
}

double relative_gap(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).norm().item<double>() / b.norm().item<double>();
}

// One panel, a whole number of panels, and a rest of every kind.
class MomentSumOfSize : public ::testing::TestWithParam<std::int64_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, MomentSumOfSize, ::testing::Values(1, 24, 256, 257, 512, 700));

TEST_P(MomentSumOfSize, EqualsTheFloat64Product) {
  const at::Tensor k = keys(2500, GetParam()), wide = k.to(at::kDouble), wanted = at::matmul(wide.t(), wide);
  const MomentSum sum = sum_in_portions(k, {1024});
  const at::Tensor found = sum.value();
  EXPECT_EQ(found.scalar_type(), at::kDouble);
  EXPECT_EQ(sum.count(), 2500);
  EXPECT_LT(relative_gap(found, wanted), 1e-6);
  EXPECT_TRUE(at::equal(found, found.t()));
}

TEST_P(MomentSumOfSize, ComesBackFromItsPanels) {
  const MomentSum sum = sum_in_portions(keys(300, GetParam()), {100});
  const at::Tensor packed = sum.packed();
  EXPECT_EQ(packed.numel(), MomentSum::packed_elements(GetParam()));
  const MomentSum again = MomentSum::from_packed(GetParam(), sum.count(), packed.clone());
  EXPECT_TRUE(at::equal(again.value(), sum.value()));
  EXPECT_EQ(again.count(), 300);
}

TEST(MomentSum, TakesLittleMoreThanHalfOfAMatrix) {
  EXPECT_LT(static_cast<double>(MomentSum::packed_elements(1536)), 0.59 * 1536 * 1536);
}

TEST(MomentSum, TheSamePortionsGiveTheSameBits) {
  const at::Tensor k = keys(3000, 300);
  EXPECT_TRUE(at::equal(sum_in_portions(k, {1024, 700}).value(), sum_in_portions(k, {1024, 700}).value()));
}

TEST(MomentSum, MergingIsAddingInFloat64) {
  const at::Tensor k = keys(4096, 300);
  MomentSum a = sum_in_portions(k.narrow(0, 0, 2048), {1024});
  const MomentSum b = sum_in_portions(k.narrow(0, 2048, 2048), {1024}), whole = sum_in_portions(k, {1024});
  const at::Tensor wanted = a.packed() + b.packed();
  a.merge(b);
  EXPECT_EQ(a.count(), 4096);
  EXPECT_TRUE(at::equal(a.packed(), wanted));
  EXPECT_LT(relative_gap(a.value(), whole.value()), 1e-14);
}

TEST(MomentSum, ACopyIsASumOfItsOwn) {
  const at::Tensor k = keys(200, 40);
  MomentSum sum = sum_in_portions(k, {200}), copy = sum;
  const at::Tensor before = sum.value();
  at::Tensor scratch;
  EXPECT_TRUE(copy.add(k, scratch));
  EXPECT_TRUE(at::equal(sum.value(), before));
  EXPECT_EQ(copy.count(), 400);
  EXPECT_TRUE(at::equal(copy.value(), 2 * before));
}

TEST(MomentSum, AKeyThatIsNotFiniteIsRefusedAndChangesNothing) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30F}) {
    MomentSum sum = sum_in_portions(keys(100, 300), {100});
    const at::Tensor before = sum.value();
    at::Tensor k = keys(50, 300), scratch;
    k[7][299] = bad;
    EXPECT_FALSE(sum.add(k, scratch));
    EXPECT_TRUE(at::equal(sum.value(), before));
    EXPECT_EQ(sum.count(), 100);
  }
}

TEST(MomentSum, NarrowKeysAreSummedInFloat32) {
  const at::Tensor narrow = keys(1100, 8).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(sum_in_portions(narrow, {200}).value(),
                        sum_in_portions(narrow.to(at::kFloat), {200}).value()));
}

TEST(MomentSum, OfNothingIsZero) {
  MomentSum sum(4);
  at::Tensor scratch;
  EXPECT_TRUE(sum.add(at::empty({0, 4}), scratch));
  EXPECT_TRUE(at::equal(sum.value(), at::zeros({4, 4}, at::kDouble)));
}

}  // namespace
}  // namespace emend
