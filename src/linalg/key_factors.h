// Cholesky factors and eigenvectors of second moments, kept for the next time (a part of EditorCache).
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "linalg/response_solver.h"
#include "linalg/spd_factor.h"

namespace emend {

// Where factors are kept for the next program. What it gives back is what was saved, bit for bit, and never
// that of another C.
class FactorStore {
 public:
  virtual ~FactorStore() = default;
  // nullptr: it is not kept, or not for this C, ridge and kind of device.
  virtual std::shared_ptr<const SpdFactor> load_factor(int layer, const at::Tensor& C, double relative_ridge,
                                                       const at::Device& device) = 0;
  virtual std::shared_ptr<const Spectrum> load_spectrum(int layer, const at::Tensor& C) = 0;
  // Keeps it if that is possible and worth its room; no error if it is not.
  virtual void save(int layer, const at::Tensor& C, double relative_ridge, const SpdFactor& factor) = 0;
  virtual void save(int layer, const at::Tensor& C, const Spectrum& spectrum) = 0;
};

// Any thread may call. A factor is made once; other threads that want it wait.
class KeyFactors {
 public:
  // Where factors that are not known yet are looked for, and where new ones are kept; nullptr: nowhere.
  void keep_in(std::shared_ptr<FactorStore> store) { store_ = std::move(store); }

  // The factor of C + ridge I of `layer`, relative_ridge in units of trace(C) / F; C [F, F] float64, or its
  // diagonal [F]. `identity` tells this C from any other (statistics fingerprint and layer); if it is empty,
  // the factor is not kept. The factor lies on `device` if it fits there, else on the CPU: n^3 / 3
  // operations, 4 n^2 bytes for a large one. Throws Error(kNumeric), naming `what`, as SpdFactor does.
  std::shared_ptr<const SpdFactor> get(int layer, const std::string& identity, const at::Tensor& C,
                                       double relative_ridge, const at::Device& device,
                                       const std::string& what);

  // The eigenvalues and eigenvectors of C, on the CPU: 8 F^2 bytes. Throws Error(kNumeric) as spectrum_of
  // does.
  std::shared_ptr<const Spectrum> spectrum(int layer, const std::string& identity, const at::Tensor& C,
                                           const std::string& what);

 private:
  std::shared_ptr<const SpdFactor> found_or_made(int layer, const at::Tensor& C, double relative_ridge,
                                                 const at::Device& device, const std::string& what) const;
  std::shared_ptr<const Spectrum> found_or_made(int layer, const at::Tensor& C,
                                                const std::string& what) const;

  std::shared_ptr<FactorStore> store_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SpdFactor>> known_;
  std::map<std::string, std::shared_ptr<const Spectrum>> spectra_;
};

}  // namespace emend
