// Cholesky factors and eigenvectors of second moments, kept for the next time (a part of EditorCache).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "linalg/response_solver.h"
#include "linalg/spd_factor.h"

namespace emend {

// Any thread may call. A factor is made once; other threads that want it wait.
class KeyFactors {
 public:
  // The factor of C + ridge I, relative_ridge in units of trace(C) / F; C [F, F] float64, or its diagonal
  // [F]. `identity` tells this C from any other (statistics fingerprint and layer); if it is empty, the
  // factor is not kept. The factor lies on `device` if it fits there, else on the CPU: n^3 / 3 operations, 4
  // n^2 bytes for a large one. Throws Error(kNumeric), naming `what`, as SpdFactor does.
  std::shared_ptr<const SpdFactor> get(const std::string& identity, const at::Tensor& C,
                                       double relative_ridge, const at::Device& device,
                                       const std::string& what);

  // The eigenvalues and eigenvectors of C, on the CPU: 8 F^2 bytes. Throws Error(kNumeric) as spectrum_of
  // does.
  std::shared_ptr<const Spectrum> spectrum(const std::string& identity, const at::Tensor& C,
                                           const std::string& what);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SpdFactor>> known_;
  std::map<std::string, std::shared_ptr<const Spectrum>> spectra_;
};

}  // namespace emend
