// Cholesky factors and eigenvectors of second moments, kept for the next time (a part of EditorCache).
#pragma once

#include <ATen/core/Tensor.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "linalg/response_solver.h"
#include "linalg/spd_factor.h"
#include "linalg/spectral_projector.h"

namespace emend {

// Where factors are kept for the next program. What it gives back is what was saved, bit for bit, and never
// that of another C.
class FactorStore {
 public:
  virtual ~FactorStore() = default;
  // nullptr: it is not kept, or not for this C, ridge and kind of device.
  virtual std::shared_ptr<const SpdFactor> load_factor(int layer, const at::Tensor& C, double relative_ridge,
                                                       const at::Device& device) = 0;
  virtual std::shared_ptr<const Spectrum> load_spectrum(int layer, const at::Tensor& C,
                                                        const at::Device& device) = 0;
  virtual std::shared_ptr<const SpectralProjector> load_projector(int layer, const at::Tensor& C,
                                                                  double threshold,
                                                                  const at::Device& device) = 0;
  // Keeps it if that is possible and worth its room; no error if it is not. The factor to go on with, which
  // solves to the same bits: `factor` itself, or what was kept, which may hold less memory.
  virtual std::shared_ptr<const SpdFactor> save(int layer, const at::Tensor& C, double relative_ridge,
                                                std::shared_ptr<const SpdFactor> factor) = 0;
  virtual void save(int layer, const at::Tensor& C, const Spectrum& spectrum) = 0;
  virtual void save(int layer, const at::Tensor& C, double threshold, const SpectralProjector& projector) = 0;
};

// Any thread may call. A factor is made once; other threads that want it wait.
class KeyFactors {
 public:
  // Where factors that are not known yet are looked for, and where new ones are kept; nullptr: nowhere.
  void keep_in(std::shared_ptr<FactorStore> store) { store_ = std::move(store); }

  // The factor of C + ridge I of `layer`, relative_ridge in units of trace(C) / F; C [F, F] float64, or its
  // diagonal [F]. `identity` tells this C from any other (statistics fingerprint and layer); if it is empty,
  // the factor is not kept. The factor lies on `device` if it fits there, else on the CPU: n^3 / 3
  // operations, 4 n^2 bytes for a large one, or nothing once a store has it (FactorStore::save). Throws
  // Error(kNumeric), naming `what`, as SpdFactor does.
  std::shared_ptr<const SpdFactor> get(int layer, const std::string& identity, const at::Tensor& C,
                                       double relative_ridge, const at::Device& device,
                                       const std::string& what);

  // What factors or eigenvalues that are known here say of the condition of this C; std::nullopt: none are.
  struct Condition {
    std::optional<double> value;  // std::nullopt: C is singular, or up to its ridge (SpdInfo)
  };
  std::optional<Condition> condition(const std::string& identity) const;

  // From now on what `other` holds is known here, too, and is kept where new ones are once it is asked for.
  void take_over(const KeyFactors& other);

  // The eigenvalues of C, and its eigenvectors on `device` if they fit there, else on the CPU: 8 F^2 bytes.
  // Throws Error(kNumeric) as spectrum_of does.
  std::shared_ptr<const Spectrum> spectrum(int layer, const std::string& identity, const at::Tensor& C,
                                           const at::Device& device, const std::string& what);

  // The projector onto the eigenvectors of C [F, F] whose eigenvalues are below `threshold`, on `device`:
  // 8 F^2 bytes. nullptr where it is to be made from spectrum(): that is no slower for this size and device
  // (is_projected_sooner), an eigenvalue is too near to the threshold, or no or all of them are below it.
  std::shared_ptr<const SpectralProjector> projector(int layer, const std::string& identity,
                                                     const at::Tensor& C, double threshold,
                                                     const at::Device& device);
  // From this many elements a side on, projectors are made without eigenvectors on any device.
  void make_projectors_from(std::int64_t size) { least_projected_ = size; }

 private:
  std::shared_ptr<const SpdFactor> found_or_made(int layer, const at::Tensor& C, double relative_ridge,
                                                 const at::Device& device, const std::string& what) const;
  std::shared_ptr<const Spectrum> found_or_made(int layer, const at::Tensor& C, const at::Device& device,
                                                const std::string& what) const;
  std::shared_ptr<const SpectralProjector> found_or_made(int layer, const at::Tensor& C, double threshold,
                                                         const at::Device& device) const;

  struct Name {
    std::string identity;
    std::uint64_t number;  // the bits of relative_ridge or of a threshold; 0 for a spectrum
    std::string device;
    auto operator<=>(const Name&) const = default;
  };
  using Factors = std::map<Name, std::shared_ptr<const SpdFactor>>;
  using Spectra = std::map<Name, std::shared_ptr<const Spectrum>>;
  using Projectors = std::map<Name, std::shared_ptr<const SpectralProjector>>;  // nullptr: by eigenvectors

  std::shared_ptr<FactorStore> store_;
  mutable std::mutex mutex_;
  Factors known_, taken_;  // taken over, and not asked for yet
  Spectra spectra_, taken_spectra_;
  Projectors projectors_, taken_projectors_;
  std::optional<std::int64_t> least_projected_;
};

}  // namespace emend
