// How many matrices of one size were factored, as libtorch's own profiler sees it.
#pragma once

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <cstdint>
#include <memory>
#include <string_view>

namespace emend::test {

// Counts the Cholesky factors and the eigenvalue problems of matrices [size, size] that this thread begins
// while it lives. There may be one at a time.
class FactorCount {
 public:
  explicit FactorCount(std::int64_t size) {
    counted() = {};
    counted().size = size;
    handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(&FactorCount::begin)
                                             .needsInputs(true)
                                             .scopes({at::RecordScope::FUNCTION}));
  }
  ~FactorCount() { at::removeCallback(handle_); }
  FactorCount(const FactorCount&) = delete;
  FactorCount& operator=(const FactorCount&) = delete;

  static int cholesky() { return counted().cholesky; }
  static int eigen() { return counted().eigen; }

 private:
  struct Counts {
    std::int64_t size = 0;
    int cholesky = 0, eigen = 0;
  };
  static Counts& counted() {
    thread_local Counts counts;
    return counts;
  }
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& call) {
    const std::string_view name = call.name();
    const bool cholesky = name == "aten::linalg_cholesky_ex", eigen = name == "aten::linalg_eigh";
    if (!cholesky && !eigen) return nullptr;
    const at::Tensor& matrix = call.inputs()[0].toTensor();
    if (matrix.dim() != 2 || matrix.size(0) != counted().size) return nullptr;
    ++(cholesky ? counted().cholesky : counted().eigen);
    return nullptr;
  }

  at::CallbackHandle handle_ = 0;
};

}  // namespace emend::test
