// Inner products of what two patches do to one weight W [out, in], by which their norms, their difference and
// their cosine are told. <X, Y> is the sum over all elements of the product, X and Y the changes B A or D, in
// float64.
#pragma once

#include "emend/edit.h"

namespace emend {

struct ChangeProducts {
  double xx = 0, yy = 0, xy = 0;  // <X, X>, <Y, Y>, <X, Y>
  double difference = 0;          // ||X - Y||^2; from the others it may be a little below 0, by rounding
};

// How the products of low-rank changes are formed: from the products of the factors of n rows with each other
// (about n^2 (in + out) operations and n^2 numbers), or from the changes themselves, some columns at a time
// (n in out operations). kSize takes what needs fewer operations. Dense changes are always formed.
enum class ProductsBy { kSize, kFactors, kColumns };

// nullptr: no change. Changes of different shapes have nothing in common (xy = 0).
ChangeProducts products_of(const WeightChange* x, const WeightChange* y, ProductsBy by = ProductsBy::kSize);

// Of a change and its copy: the difference is 0.
ChangeProducts products_of_equals(const WeightChange& x, ProductsBy by = ProductsBy::kSize);

}  // namespace emend
