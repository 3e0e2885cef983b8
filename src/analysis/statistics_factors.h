// Factors and eigenvectors of C beside the layer files of a statistics folder, so that the next program need
// not make them (docs/formats.md).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "emend/statistics.h"
#include "emend/statistics_store.h"
#include "linalg/key_factors.h"

namespace emend {

// What tells C of this layer from any other in memory; empty if that is not known.
std::string moment_identity(const Statistics& statistics, int layer);

// The conditions of C that factors or eigenvalues of these layers tell.
StatisticsStore::Conditions known_conditions(const Statistics& statistics, const KeyFactors& factors);

class StatisticsFactors : public FactorStore {
 public:
  // Moments of fewer elements than this are factored about as fast as a file is read.
  static constexpr std::int64_t kLeastSize = 1024;

  explicit StatisticsFactors(std::filesystem::path folder, std::int64_t least_size = kLeastSize)
      : folder_(std::move(folder)), least_size_(least_size) {}

  // A file that is broken, of another version or of another C is as none. C is told by the digest of its
  // bytes, so that a factor is never that of older statistics. On the CPU a factor of several panels stays in
  // its file: it is read panel by panel in each solve and holds no memory in between.
  std::shared_ptr<const SpdFactor> load_factor(int layer, const at::Tensor& C, double relative_ridge,
                                               const at::Device& device) override;
  std::shared_ptr<const Spectrum> load_spectrum(int layer, const at::Tensor& C,
                                                const at::Device& device) override;
  std::shared_ptr<const SpectralProjector> load_projector(int layer, const at::Tensor& C, double threshold,
                                                          const at::Device& device) override;
  // In place of the file of this layer. Nothing is written where the folder does not exist or cannot be
  // written, or where the disk would have less free than the file takes.
  std::shared_ptr<const SpdFactor> save(int layer, const at::Tensor& C, double relative_ridge,
                                        std::shared_ptr<const SpdFactor> factor) override;
  void save(int layer, const at::Tensor& C, const Spectrum& spectrum) override;
  void save(int layer, const at::Tensor& C, double threshold, const SpectralProjector& projector) override;

 private:
  bool is_worth_it(const at::Tensor& C) const;

  std::filesystem::path folder_;
  std::int64_t least_size_;
};

}  // namespace emend
