#include "editors/bulk/preserve.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
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

double threshold_of(const BulkOptions& options, const Spectrum& spectrum, int layer,
                    const std::string& method) {
  if (options.threshold > 0) return options.threshold;
  require_some_directions(options.kept_directions, spectrum.values.size(0), layer, method);
  return threshold_for(spectrum, options.kept_directions);
}

struct LayerNullSpace {
  NullSpace space;
  double threshold = 0, trace = 0;  // tr(C)
};

// By the projector alone where that is sooner: for a threshold as it is. A share of the directions needs the
// eigenvalues.
LayerNullSpace null_space_at(const Model& model, const EditorContext& context, int layer,
                             const BulkOptions& options, const std::string& method) {
  if (options.threshold > 0)
    if (const auto projector = moment_projector(model, context, layer, options.threshold, method))
      return {{{}, projector->energy, projector->P},
              options.threshold,
              trace_of(context.statistics->layers.at(layer).C)};
  const std::shared_ptr<const Spectrum> spectrum = moment_spectrum(model, context, layer, method);
  const double threshold = threshold_of(options, *spectrum, layer, method);
  return {chosen_space(*spectrum, threshold, layer, method), threshold,
          spectrum->values.sum().item<double>()};
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
    unit = space_->kept_energy * of_layer.trace;
  }
  if (options.preserve == PreserveStage::kIdentity)
    metric_ = KeyMetric(nullptr, {}, model.options().device());
  else
    solve_.statistics_fingerprint = context.statistics->fingerprint({layer});
  solve_.lambda = options.lambda > 0 ? options.lambda : options.relative_lambda * unit;
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
