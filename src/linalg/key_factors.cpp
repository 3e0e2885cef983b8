#include "linalg/key_factors.h"

#include <ATen/ATen.h>

#include <bit>
#include <cstdint>
#include <utility>

namespace emend {

namespace {

// Takes the entry out; nullptr if there is none.
template <typename Entries, typename Name>
typename Entries::mapped_type extract(Entries& from, const Name& name) {
  auto node = from.extract(name);
  return node ? std::move(node.mapped()) : nullptr;
}

// Of eigenvalues in ascending order.
std::optional<double> condition_of(const Spectrum& spectrum) {
  const double low = spectrum.values[0].item<double>(), high = spectrum.values[-1].item<double>();
  return low > 0 ? std::optional(high / low) : std::nullopt;
}

}  // namespace

std::shared_ptr<const SpdFactor> KeyFactors::found_or_made(int layer, const at::Tensor& C,
                                                           double relative_ridge, const at::Device& device,
                                                           const std::string& what) const {
  if (store_)
    if (auto kept = store_->load_factor(layer, C, relative_ridge, device)) return kept;
  auto made = std::make_shared<const SpdFactor>(factor_where_it_fits(C, relative_ridge, device, what));
  return store_ ? store_->save(layer, C, relative_ridge, std::move(made)) : made;
}

std::shared_ptr<const Spectrum> KeyFactors::found_or_made(int layer, const at::Tensor& C,
                                                          const at::Device& device,
                                                          const std::string& what) const {
  if (store_)
    if (auto kept = store_->load_spectrum(layer, C, device)) return kept;
  auto made = std::make_shared<const Spectrum>(spectrum_of(C, device, what));
  if (store_) store_->save(layer, C, *made);
  return made;
}

std::shared_ptr<const SpectralProjector> KeyFactors::found_or_made(int layer, const at::Tensor& C,
                                                                   double threshold,
                                                                   const at::Device& device) const {
  if (store_)
    if (auto kept = store_->load_projector(layer, C, threshold, device)) return kept;
  std::optional<SpectralProjector> made = projector_below(C, threshold, device);
  if (!made || made->rank == 0 || made->rank == C.size(0)) return nullptr;
  if (store_) store_->save(layer, C, threshold, *made);
  return std::make_shared<const SpectralProjector>(std::move(*made));
}

std::shared_ptr<const SpdFactor> KeyFactors::get(int layer, const std::string& identity, const at::Tensor& C,
                                                 double relative_ridge, const at::Device& device,
                                                 const std::string& what) {
  if (identity.empty()) return found_or_made(layer, C, relative_ridge, device, what);
  const std::lock_guard lock(mutex_);
  const Name name{identity, std::bit_cast<std::uint64_t>(relative_ridge), device.str()};
  std::shared_ptr<const SpdFactor>& factor = known_[name];
  if (factor) return factor;
  factor = extract(taken_, name);
  if (factor && store_) factor = store_->save(layer, C, relative_ridge, std::move(factor));
  if (!factor) factor = found_or_made(layer, C, relative_ridge, device, what);
  return factor;
}

std::shared_ptr<const Spectrum> KeyFactors::spectrum(int layer, const std::string& identity,
                                                     const at::Tensor& C, const at::Device& device,
                                                     const std::string& what) {
  if (identity.empty()) return found_or_made(layer, C, device, what);
  const std::lock_guard lock(mutex_);
  const Name name{identity, 0, device.str()};
  std::shared_ptr<const Spectrum>& spectrum = spectra_[name];
  if (spectrum) return spectrum;
  spectrum = extract(taken_spectra_, name);
  if (spectrum && store_) store_->save(layer, C, *spectrum);
  if (!spectrum) spectrum = found_or_made(layer, C, device, what);
  return spectrum;
}

std::shared_ptr<const SpectralProjector> KeyFactors::projector(int layer, const std::string& identity,
                                                               const at::Tensor& C, double threshold,
                                                               const at::Device& device) {
  if (is_diagonal(C)) return nullptr;
  const bool sooner =
      least_projected_ ? C.size(0) >= *least_projected_ : is_projected_sooner(C.size(0), device);
  if (!sooner) return nullptr;
  if (identity.empty()) return found_or_made(layer, C, threshold, device);
  const std::lock_guard lock(mutex_);
  const Name name{identity, std::bit_cast<std::uint64_t>(threshold), device.str()};
  if (const auto known = projectors_.find(name); known != projectors_.end()) return known->second;
  std::shared_ptr<const SpectralProjector> projector = extract(taken_projectors_, name);
  if (projector && store_) store_->save(layer, C, threshold, *projector);
  if (!projector) projector = found_or_made(layer, C, threshold, device);
  projectors_[name] = projector;
  return projector;
}

std::optional<KeyFactors::Condition> KeyFactors::condition(const std::string& identity) const {
  const std::lock_guard lock(mutex_);
  std::optional<Condition> found;
  for (const auto& [name, factor] : known_)
    if (factor && name.identity == identity && !(found && found->value))
      found = Condition{factor->info().condition_of_moment};
  if (found) return found;
  for (const auto& [name, spectrum] : spectra_)
    if (spectrum && name.identity == identity) return Condition{condition_of(*spectrum)};
  return std::nullopt;
}

void KeyFactors::take_over(const KeyFactors& other) {
  const std::scoped_lock lock(mutex_, other.mutex_);
  taken_.insert(other.known_.begin(), other.known_.end());
  taken_spectra_.insert(other.spectra_.begin(), other.spectra_.end());
  taken_projectors_.insert(other.projectors_.begin(), other.projectors_.end());
  if (other.least_projected_) least_projected_ = other.least_projected_;
}

}  // namespace emend
