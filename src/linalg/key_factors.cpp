#include "linalg/key_factors.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>

namespace emend {

std::shared_ptr<const SpdFactor> KeyFactors::get(const std::string& identity, const at::Tensor& C,
                                                 double relative_ridge, const at::Device& device,
                                                 const std::string& what) {
  if (identity.empty())
    return std::make_shared<SpdFactor>(factor_where_it_fits(C, relative_ridge, device, what));
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const SpdFactor>& factor =
      known_[fmt::format("{} {} {}", identity, std::bit_cast<std::uint64_t>(relative_ridge), device.str())];
  if (!factor) factor = std::make_shared<SpdFactor>(factor_where_it_fits(C, relative_ridge, device, what));
  return factor;
}

std::shared_ptr<const Spectrum> KeyFactors::spectrum(const std::string& identity, const at::Tensor& C,
                                                     const std::string& what) {
  if (identity.empty()) return std::make_shared<Spectrum>(spectrum_of(C, what));
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const Spectrum>& spectrum = spectra_[identity];
  if (!spectrum) spectrum = std::make_shared<Spectrum>(spectrum_of(C, what));
  return spectrum;
}

}  // namespace emend
