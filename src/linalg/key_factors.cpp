#include "linalg/key_factors.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>

namespace emend {

std::shared_ptr<const SpdFactor> KeyFactors::found_or_made(int layer, const at::Tensor& C,
                                                           double relative_ridge, const at::Device& device,
                                                           const std::string& what) const {
  if (store_)
    if (auto kept = store_->load_factor(layer, C, relative_ridge, device)) return kept;
  auto made = std::make_shared<const SpdFactor>(factor_where_it_fits(C, relative_ridge, device, what));
  if (store_) store_->save(layer, C, relative_ridge, *made);
  return made;
}

std::shared_ptr<const Spectrum> KeyFactors::found_or_made(int layer, const at::Tensor& C,
                                                          const std::string& what) const {
  if (store_)
    if (auto kept = store_->load_spectrum(layer, C)) return kept;
  auto made = std::make_shared<const Spectrum>(spectrum_of(C, what));
  if (store_) store_->save(layer, C, *made);
  return made;
}

std::shared_ptr<const SpdFactor> KeyFactors::get(int layer, const std::string& identity, const at::Tensor& C,
                                                 double relative_ridge, const at::Device& device,
                                                 const std::string& what) {
  if (identity.empty()) return found_or_made(layer, C, relative_ridge, device, what);
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const SpdFactor>& factor =
      known_[fmt::format("{} {} {}", identity, std::bit_cast<std::uint64_t>(relative_ridge), device.str())];
  if (!factor) factor = found_or_made(layer, C, relative_ridge, device, what);
  return factor;
}

std::shared_ptr<const Spectrum> KeyFactors::spectrum(int layer, const std::string& identity,
                                                     const at::Tensor& C, const std::string& what) {
  if (identity.empty()) return found_or_made(layer, C, what);
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const Spectrum>& spectrum = spectra_[identity];
  if (!spectrum) spectrum = found_or_made(layer, C, what);
  return spectrum;
}

}  // namespace emend
