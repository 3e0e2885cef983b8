// Inner products of changes: by their factors, by their columns, and against the whole matrices.
#include "delivery/change_products.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "emend/patch_algebra.h"
#include "solved_patch.h"

namespace emend {
namespace {

using namespace test;

const WeightRef kWeight{2, Role::kMlpDown};

WeightChange of_rank(std::int64_t n, double seed, std::int64_t in = kInner, std::int64_t out = kModel) {
  return WeightChange::low_rank(kWeight, waves({n, in}, seed), waves({out, n}, seed + 2));
}

at::Tensor whole(const WeightChange& change) {
  return change.is_dense() ? change.D.to(at::kDouble)
                           : at::matmul(change.B.to(at::kDouble), change.A.to(at::kDouble));
}

void expect_products(const ChangeProducts& found, const at::Tensor& x, const at::Tensor& y) {
  const double size = ((x * x).sum() + (y * y).sum()).item<double>();
  EXPECT_NEAR(found.xx, (x * x).sum().item<double>(), 1e-12 * size);
  EXPECT_NEAR(found.yy, (y * y).sum().item<double>(), 1e-12 * size);
  EXPECT_NEAR(found.xy, (x * y).sum().item<double>(), 1e-12 * size);
  EXPECT_NEAR(found.difference, ((x - y) * (x - y)).sum().item<double>(), 1e-12 * size);
}

TEST(ChangeProducts, AreThoseOfTheWholeMatrices) {
  for (const std::int64_t n : {1, 3, 40})
    for (const std::int64_t m : {2, 40}) {
      const WeightChange x = of_rank(n, 1), y = of_rank(m, 4);
      const WeightChange dense = WeightChange::dense(kWeight, whole(y).to(at::kFloat));
      for (const ProductsBy by : {ProductsBy::kSize, ProductsBy::kFactors, ProductsBy::kColumns}) {
        expect_products(products_of(&x, &y, by), whole(x), whole(y));
        expect_products(products_of(&x, &dense, by), whole(x), whole(dense));
        expect_products(products_of(&dense, &x, by), whole(dense), whole(x));
      }
    }
}

TEST(ChangeProducts, AreHandChecked) {
  // X = (1 0)^T (3 4), Y = (0 2)^T (3 4) + (1 0)^T (3 0).
  const WeightChange x = WeightChange::low_rank(kWeight, at::tensor({3.0F, 4.0F}).view({1, 2}),
                                                at::tensor({1.0F, 0.0F}).view({2, 1}));
  const WeightChange y = WeightChange::low_rank(kWeight, at::tensor({3.0F, 4.0F, 3.0F, 0.0F}).view({2, 2}),
                                                at::tensor({0.0F, 1.0F, 2.0F, 0.0F}).view({2, 2}));
  for (const ProductsBy by : {ProductsBy::kFactors, ProductsBy::kColumns}) {
    const ChangeProducts found = products_of(&x, &y, by);
    EXPECT_EQ(found.xx, 25);
    EXPECT_EQ(found.yy, 109);  // 6, 8 and 3, 0
    EXPECT_EQ(found.xy, 9);
    EXPECT_EQ(found.difference, 116);  // 0, 4 and -6, -8
    const ChangeProducts same = products_of_equals(x, by);
    EXPECT_EQ(same.xx, 25);
    EXPECT_EQ(same.xy, 25);
    EXPECT_EQ(same.difference, 0);
  }
}

TEST(ChangeProducts, OfOneChangeAndOfOtherShapes) {
  const WeightChange x = of_rank(3, 1), other = of_rank(3, 1, kInner + 1);
  const double xx = products_of_equals(x).xx, oo = products_of_equals(other).xx;
  const ChangeProducts alone = products_of(&x, nullptr), second = products_of(nullptr, &x);
  EXPECT_EQ(alone.xx, xx);
  EXPECT_EQ(alone.yy, 0);
  EXPECT_EQ(alone.difference, xx);
  EXPECT_EQ(second.yy, xx);
  EXPECT_EQ(second.xy, 0);
  const ChangeProducts apart = products_of(&x, &other);
  EXPECT_EQ(apart.xy, 0);
  EXPECT_DOUBLE_EQ(apart.difference, xx + oo);
}

// More columns than are formed at once.
TEST(ChangeProducts, OfManyColumns) {
  const std::int64_t out = 1 << 15, in = 300;
  const WeightChange x = of_rank(2, 1, in, out), y = of_rank(3, 5, in, out);
  expect_products(products_of(&x, &y, ProductsBy::kColumns), whole(x), whole(y));
}

}  // namespace
}  // namespace emend
