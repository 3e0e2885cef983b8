#include "editors/bulk/preserve.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "editors/common/metric.h"
#include "emend/error.h"
#include "linalg/spd_factor.h"

namespace emend::editors {

namespace {

// The null space of the options. That of all directions preserves nothing.
NullSpace chosen_space(const Spectrum& spectrum, double threshold, int layer, const std::string& method) {
  const std::string what = fmt::format("{}: C of layer {}", method, layer);
  NullSpace space = null_space_of(spectrum, threshold, what);
  const std::int64_t size = spectrum.values.size(0);
  if (space.basis.size(1) == size)
    throw Error(ErrorKind::kNumeric,
                fmt::format("{} has no eigenvalue from {:.3g} on (the largest is {:.3g}): the null space "
                            "would hold all {} directions and protect no text; give a smaller threshold",
                            what, threshold, spectrum.values[size - 1].item<double>(), size));
  return space;
}

// Throws Error(kNumeric) if the share that `kept_directions` gives is no direction or all `size` of them.
void require_some_directions(double share, std::int64_t size, int layer, const std::string& method) {
  const auto kept = std::llround(share * static_cast<double>(size));
  const std::string what = fmt::format("{}: kept_directions {:g} at layer {} keeps", method, share, layer);
  if (kept <= 0)
    throw Error(ErrorKind::kNumeric,
                fmt::format("{} none of the {} directions: there is no null space to write in; give a larger "
                            "share, {:.1g} or more",
                            what, size, 1 / static_cast<double>(size)));
  if (kept >= size)
    throw Error(ErrorKind::kNumeric, fmt::format("{} all {} directions: the null space would protect no "
                                                 "text; give a smaller share",
                                                 what, size));
}

// Eigenvalues of C up to this are 0 but for rounding: the radius of the semicircle of a symmetric matrix
// [size, size] of float32 rounding errors (Wigner 1958), twice. `norm`: of C, Frobenius'.
double rounding_of(double norm, std::int64_t size) {
  constexpr double kFloat32 = 1.0 / (1 << 24);
  return 4 * kFloat32 * norm / std::sqrt(static_cast<double>(size));
}

// Throws Error(kNumeric) if a share of the directions ends among those in which C holds nothing: rounding
// would choose which of them are kept.
double threshold_of(const BulkOptions& options, const Spectrum& spectrum, int layer,
                    const std::string& method) {
  if (options.threshold > 0) return options.threshold;
  const std::int64_t size = spectrum.values.size(0);
  require_some_directions(options.kept_directions, size, layer, method);
  const double threshold = threshold_for(spectrum, options.kept_directions);
  const double rounding = rounding_of(norm_of(spectrum.values), size);
  if (threshold > rounding) return threshold;
  const auto empty = (spectrum.values <= rounding).sum().item<std::int64_t>();
  throw Error(
      ErrorKind::kNumeric,
      fmt::format("{}: C of layer {} holds nothing in {} of its {} directions, and kept_directions {:g} "
                  "keeps a part of them, which rounding would choose: give a share above {:.3g}, or "
                  "statistics of more tokens",
                  method, layer, empty, size, options.kept_directions,
                  static_cast<double>(empty) / static_cast<double>(size)));
}

struct LayerNullSpace {
  NullSpace space;
  double threshold = 0;
  double held = 0;  // tr(P C P), what C holds in it; 0 if that is rounding
};

// Of a null space of `kept` directions, with the share `energy` of tr(C). `norm`: of C, Frobenius'.
double held_in(double energy, std::int64_t kept, double trace, double norm, std::int64_t size) {
  const double held = energy * trace;
  return held > static_cast<double>(kept) * rounding_of(norm, size) ? held : 0;
}

// By the projector alone where that is sooner: for a threshold as it is. A share of the directions needs the
// eigenvalues.
LayerNullSpace null_space_at(const Model& model, const EditorContext& context, int layer,
                             const BulkOptions& options, const std::string& method) {
  if (options.threshold > 0)
    if (const auto projector = moment_projector(model, context, layer, options.threshold, method)) {
      const at::Tensor& C = context.statistics->layers.at(layer).C;
      const std::int64_t kept = std::llround(trace_of(projector->P));
      return {{{}, projector->energy, projector->P},
              options.threshold,
              held_in(projector->energy, kept, trace_of(C), norm_of(C), C.size(0))};
    }
  const std::shared_ptr<const Spectrum> spectrum = moment_spectrum(model, context, layer, method);
  const double threshold = threshold_of(options, *spectrum, layer, method);
  NullSpace space = chosen_space(*spectrum, threshold, layer, method);
  const at::Tensor& values = spectrum->values;
  const double held = held_in(space.kept_energy, space.basis.size(1), values.sum().item<double>(),
                              norm_of(values), values.size(0));
  return {std::move(space), threshold, held};
}

}  // namespace

Preserve::Preserve(const Model& model, const EditorContext& context, int layer, const BulkOptions& options,
                   const std::string& method)
    : exact_alone_(options.exact_alone) {
  require_layer(model, layer);
  solve_.weight = {layer, Role::kMlpDown};
  solve_.rule = SolveRule::kLeastSquares;
  auto unit = static_cast<double>(model.config().d_ff);  // of relative_lambda
  if (options.preserve == PreserveStage::kMoments) {
    metric_ = moment_metric(model, context, layer, options.relative_ridge, method);
    solve_.relative_ridge = options.relative_ridge;
    solve_.ridge = metric_.info()->ridge;
    solve_.condition = metric_.info()->condition;
    solve_.condition_of_moments = metric_.info()->condition_of_moment;
  }
  if (options.preserve == PreserveStage::kNullSpace) {
    LayerNullSpace of_layer = null_space_at(model, context, layer, options, method);
    space_ = std::move(of_layer.space);
    solve_.rule = SolveRule::kNullSpace;
    solve_.null_space_threshold = of_layer.threshold;
    unit = of_layer.held;
  }
  if (options.preserve == PreserveStage::kIdentity)
    metric_ = KeyMetric(nullptr, {}, model.options().device());
  else
    solve_.statistics_fingerprint = context.statistics->fingerprint({layer});
  solve_.lambda = options.lambda > 0 ? options.lambda : options.relative_lambda * unit;
  if (space_ && !(solve_.lambda > 0))
    throw Error(
        ErrorKind::kNumeric,
        fmt::format("{}: at layer {} relative_lambda is in units of what C holds in the null space, and "
                    "that is nothing but rounding: give lambda itself, a larger {}, or statistics of "
                    "more tokens",
                    method, layer, options.threshold > 0 ? "threshold" : "kept_directions"));
  if (exact_alone_) solve_.lambda_of_several = solve_.lambda;
}

WeightSolve Preserve::record(std::int64_t q) const {
  WeightSolve solve = solve_;
  if (!is_exact(q)) return solve;
  solve.rule = SolveRule::kEquality;
  solve.lambda = 0;
  return solve;
}

at::Tensor Preserve::responses(const JointConstraints& joint) const {
  if (space_) return null_space_response(*space_, joint.K, joint.Y, solve_.lambda);
  if (is_exact(joint.Y.size(1))) return key_response(metric_, joint.K, joint.Y);
  return least_squares_response(metric_, joint.K, joint.Y, solve_.lambda);
}

std::optional<double> Preserve::kept_energy() const {
  return space_ ? std::optional(space_->kept_energy) : std::nullopt;
}

}  // namespace emend::editors
