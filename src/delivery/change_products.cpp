#include "delivery/change_products.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>

namespace emend {
namespace {

// Numbers of a change that are formed at once.
constexpr std::int64_t kNumbers = std::int64_t{1} << 22;

at::Tensor wide(const at::Tensor& t) {
  return t.to(at::kDouble);
}

double sum_of_products(const at::Tensor& x, const at::Tensor& y) {
  return (x * y).sum().item<double>();
}

// <B A, B' A'> without either product: the trace of (B^T B') (A' A^T).
double inner_of_factors(const WeightChange& x, const WeightChange& y) {
  return sum_of_products(at::matmul(wide(x.B).t(), wide(y.B)), at::matmul(wide(x.A), wide(y.A).t()));
}

// Some columns of a change, [out, n] float64.
class Columns {
 public:
  explicit Columns(const WeightChange& change)
      : change_(change), B_(change.is_dense() ? at::Tensor() : wide(change.B)) {}

  at::Tensor get(std::int64_t begin, std::int64_t end) const {
    if (change_.is_dense()) return wide(change_.D.slice(1, begin, end));
    return at::matmul(B_, wide(change_.A.slice(1, begin, end)));
  }

 private:
  const WeightChange& change_;
  at::Tensor B_;  // [out, n] float64
};

template <typename Visit>
void each_block(const WeightChange& change, Visit visit) {
  const std::int64_t outputs = std::max<std::int64_t>(1, change.outputs());
  const std::int64_t width = std::max<std::int64_t>(1, kNumbers / outputs);
  for (std::int64_t begin = 0; begin < change.inputs(); begin += width)
    visit(begin, std::min(begin + width, change.inputs()));
}

double square_by_columns(const WeightChange& x) {
  const Columns columns(x);
  double sum = 0;
  each_block(x, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor part = columns.get(begin, end);
    sum += sum_of_products(part, part);
  });
  return sum;
}

ChangeProducts pair_by_columns(const WeightChange& x, const WeightChange& y) {
  const Columns of_x(x), of_y(y);
  ChangeProducts sum;
  each_block(x, [&](std::int64_t begin, std::int64_t end) {
    const at::Tensor a = of_x.get(begin, end), b = of_y.get(begin, end), difference = a - b;
    sum.xx += sum_of_products(a, a);
    sum.yy += sum_of_products(b, b);
    sum.xy += sum_of_products(a, b);
    sum.difference += sum_of_products(difference, difference);
  });
  return sum;
}

bool same_shape(const WeightChange& x, const WeightChange& y) {
  return x.inputs() == y.inputs() && x.outputs() == y.outputs();
}

double rank(const WeightChange& change) {
  return static_cast<double>(change.A.size(0));
}

// `pairs`: products of rows with rows that the factors need; `rows`: those of both changes.
bool forms_columns(const WeightChange& shape, double pairs, double rows, ProductsBy by) {
  if (by != ProductsBy::kSize) return by == ProductsBy::kColumns;
  const auto in = static_cast<double>(shape.inputs()), out = static_cast<double>(shape.outputs());
  return rows * in * out < pairs * (in + out);
}

double square_of(const WeightChange& x, ProductsBy by) {
  if (x.is_dense() || forms_columns(x, rank(x) * rank(x), rank(x), by)) return square_by_columns(x);
  return inner_of_factors(x, x);
}

}  // namespace

ChangeProducts products_of(const WeightChange* x, const WeightChange* y, ProductsBy by) {
  ChangeProducts result;
  if (x == nullptr || y == nullptr || !same_shape(*x, *y)) {
    if (x != nullptr) result.xx = square_of(*x, by);
    if (y != nullptr) result.yy = square_of(*y, by);
    result.difference = result.xx + result.yy;
    return result;
  }
  if (x->is_dense() || y->is_dense()) return pair_by_columns(*x, *y);
  const double n = rank(*x), m = rank(*y);
  if (forms_columns(*x, n * n + m * m + n * m, n + m, by)) return pair_by_columns(*x, *y);
  result.xx = inner_of_factors(*x, *x);
  result.yy = inner_of_factors(*y, *y);
  result.xy = inner_of_factors(*x, *y);
  result.difference = result.xx + result.yy - 2 * result.xy;
  return result;
}

ChangeProducts products_of_equals(const WeightChange& x, ProductsBy by) {
  const double xx = square_of(x, by);
  return {xx, xx, xx, 0};
}

}  // namespace emend
