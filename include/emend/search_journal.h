// What the value searches of a run have found so far, so that a run that was stopped can be resumed.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace emend {

// Some values of one search, one a row.
struct FoundValues {
  at::Tensor residuals;  // [n, D] float32; undefined: no values
  at::Tensor numbers;    // [n, k] float64: what else the method knows of each
  std::int64_t size() const { return residuals.defined() ? residuals.size(0) : 0; }
};

// The caller makes one for one run and passes it (EditorContext::journal). The searches of a run come in the
// same order each time, and so do the values of a search.
class SearchJournal {
 public:
  virtual ~SearchJournal() = default;
  // The next search of the run begins, for `values` values. Returns those that need not be searched again:
  // the first ones, as an earlier run found them. Throws Error(kFormat) if the kept values are not those of
  // such a search.
  virtual FoundValues begin(std::int64_t values) = 0;
  // More values of this search, in order. Throws Error(kIo) if they cannot be kept.
  virtual void add(const FoundValues& found) = 0;
};

}  // namespace emend
