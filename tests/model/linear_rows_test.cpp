// The product of few rows against torch's in float64, its gradient, and what a row's result depends on.
#include "model/linear_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <exception>
#include <limits>

#include "model/linear_kernel.h"

namespace emend {
namespace {

// Numbers that are the same on every machine, between -1 and 1.
at::Tensor numbers(std::int64_t rows, std::int64_t columns, double start) {
  return (at::arange(rows * columns, at::kDouble) * 0.7 + start).sin().view({rows, columns}).to(at::kFloat);
}

double largest_difference(const at::Tensor& found, const at::Tensor& wanted) {
  return (found.to(at::kDouble) - wanted.to(at::kDouble)).abs().max().item<double>();
}

void expect_product(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const at::Tensor x = numbers(rows, in, 1), weight = numbers(out, in, 2), bias = numbers(1, out, 3)[0];
  const auto wide = [](const at::Tensor& t) { return t.to(at::kDouble); };
  const double bound = 1e-6 * static_cast<double>(in + 1);
  EXPECT_LE(largest_difference(linear_rows(x, weight, {}), at::linear(wide(x), wide(weight))), bound)
      << rows << " rows, " << in << " to " << out;
  EXPECT_LE(largest_difference(linear_rows(x, weight, bias), at::linear(wide(x), wide(weight), wide(bias))),
            bound)
      << rows << " rows, " << in << " to " << out << ", with a bias";
}

TEST(LinearRows, AreThoseOfTorchInEverySize) {
  for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 20})
    for (const std::int64_t in : {1, 7, 8, 16, 31, 100})
      for (const std::int64_t out : {1, 3, 4, 5, 8, 33}) expect_product(rows, in, out);
  for (const std::int64_t rows : {128, 129, 256, 257}) expect_product(rows, 24, 9);
}

TEST(LinearRows, ReadMatricesWhoseRowsLieApart) {
  const at::Tensor whole = numbers(40, 30, 1), x = numbers(5, 20, 2), part = whole.narrow(1, 3, 20);
  EXPECT_LE(largest_difference(linear_rows(x, part, {}), at::linear(x, part)), 1e-5);
  const at::Tensor turned = whole.t().narrow(1, 0, 20);
  EXPECT_LE(largest_difference(linear_rows(x, turned, {}), at::linear(x, turned)), 1e-5);
  const at::Tensor rows_apart = numbers(20, 5, 3).t();
  EXPECT_LE(largest_difference(linear_rows(rows_apart, part, {}), at::linear(rows_apart, part)), 1e-5);
}

TEST(LinearRows, ARowDependsNeitherOnThoseBesideItNorOnThreads) {
  if (linear_kernel() == nullptr) GTEST_SKIP() << "this processor has no kernel of our own";
  const at::Tensor x = numbers(23, 100, 1), weight = numbers(3000, 100, 2), bias = numbers(1, 3000, 3)[0];
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor together = linear_rows(x, weight, bias);
  at::set_num_threads(3);
  EXPECT_TRUE(at::equal(together, linear_rows(x, weight, bias)));
  at::set_num_threads(before);
  for (const std::int64_t row : {0, 11, 22})
    EXPECT_TRUE(at::equal(together.narrow(0, row, 1), linear_rows(x.narrow(0, row, 1), weight, bias)));
  EXPECT_TRUE(at::equal(together.narrow(0, 4, 7), linear_rows(x.narrow(0, 4, 7), weight, bias)));
}

// Wherever in a tile or a panel of the kernel a column lies, its numbers are added up in one order.
TEST(LinearRows, AColumnDoesNotDependOnThoseBesideIt) {
  if (linear_kernel() == nullptr) GTEST_SKIP() << "this processor has no kernel of our own";
  for (const std::int64_t rows : {1, 3, 7, 13}) {
    const at::Tensor x = numbers(rows, 103, 1), weight = numbers(39, 103, 2), bias = numbers(1, 39, 3)[0];
    const at::Tensor together = linear_rows(x, weight, bias);
    for (std::int64_t column = 0; column < weight.size(0); ++column)
      EXPECT_TRUE(at::equal(together.narrow(1, column, 1),
                            linear_rows(x, weight.narrow(0, column, 1), bias.narrow(0, column, 1))))
          << rows << " rows, column " << column;
  }
}

TEST(LinearRows, ARowWithoutNumbersLeavesTheOthersAlone) {
  at::Tensor x = numbers(4, 50, 1);
  const at::Tensor weight = numbers(9, 50, 2), clean = linear_rows(x, weight, {});
  x[2][49] = std::numeric_limits<float>::quiet_NaN();
  const at::Tensor found = linear_rows(x, weight, {});
  EXPECT_TRUE(found[2].isnan().all().item<bool>());
  for (const std::int64_t row : {0, 1, 3}) EXPECT_TRUE(at::equal(found[row], clean[row]));
}

TEST(LinearRows, TheirGradientIsThatOfTorch) {
  const at::AutoGradMode on(true);
  const at::Tensor weight = numbers(13, 37, 2), bias = numbers(1, 13, 3)[0], shares = numbers(5, 13, 4);
  const at::Tensor ours = numbers(5, 37, 1).requires_grad_(true),
                   torchs = ours.detach().clone().requires_grad_(true);
  (linear_rows(ours, weight, bias) * shares).sum().backward();
  (at::linear(torchs, weight, bias) * shares).sum().backward();
  EXPECT_LE(largest_difference(ours.grad(), torchs.grad()), 1e-5);
  ours.mutable_grad().reset();
  torchs.mutable_grad().reset();
  (linear_rows(ours, weight, {}) * shares).sum().backward();
  (at::linear(torchs, weight) * shares).sum().backward();
  EXPECT_LE(largest_difference(ours.grad(), torchs.grad()), 1e-5);
}

TEST(LinearRows, AMatrixThatIsTrainedHasItsGradient) {
  const at::AutoGradMode on(true);
  const at::Tensor x = numbers(5, 37, 1), shares = numbers(5, 13, 4);
  const at::Tensor weight = numbers(13, 37, 2).requires_grad_(true),
                   bias = numbers(1, 13, 3)[0].clone().requires_grad_(true);
  (linear_rows(x, weight, bias) * shares).sum().backward();
  EXPECT_LE(largest_difference(weight.grad(), at::mm(shares.t(), x)), 1e-5);
  EXPECT_LE(largest_difference(bias.grad(), shares.sum(0)), 1e-5);
}

TEST(LinearRows, ABiasOfAnotherLengthIsRefused) {
  const at::Tensor x = numbers(5, 37, 1), weight = numbers(13, 37, 2), bias = numbers(1, 12, 3)[0];
  EXPECT_THROW(linear_rows(x, weight, bias), std::exception) << "it would be read past its end";
}

TEST(LinearRows, OfNothingAreThoseOfTorch) {
  const at::Tensor bias = numbers(1, 13, 3)[0];
  const at::Tensor no_rows = linear_rows(at::zeros({0, 37}), numbers(13, 37, 2), bias),
                   no_columns = linear_rows(numbers(5, 37, 1), at::zeros({0, 37}), {});
  EXPECT_EQ(no_rows.size(0), 0);
  EXPECT_EQ(no_rows.size(1), 13);
  EXPECT_EQ(no_columns.size(0), 5);
  EXPECT_EQ(no_columns.size(1), 0);
  EXPECT_TRUE(at::equal(linear_rows(at::zeros({5, 0}), at::zeros({13, 0}), bias), bias.expand({5, 13})));
}

TEST(LinearRows, OtherTypesAreThoseOfTorch) {
  const at::Tensor x = numbers(5, 37, 1).to(at::kBFloat16), weight = numbers(13, 37, 2).to(at::kBFloat16);
  EXPECT_TRUE(at::equal(linear_rows(x, weight, {}), at::linear(x, weight)));
  const at::Tensor cube = numbers(6, 37, 1).view({2, 3, 37}), single = numbers(13, 37, 2);
  EXPECT_LE(largest_difference(linear_rows(cube, single, {}), at::linear(cube, single)), 1e-5);
}

}  // namespace
}  // namespace emend
