#include "editors/common/metric.h"

#include <fmt/format.h>

#include "analysis/statistics_factors.h"
#include "base/layer_number.h"
#include "emend/error.h"
#include "linalg/key_factors.h"

namespace emend::editors {

void require_layer(const Model& model, int layer) {
  emend::require_layer("the edit", layer, model.config().layers);
}

namespace {

const at::Tensor& moment_of(const EditorContext& context, int layer, const std::string& method) {
  if (!context.statistics || !context.statistics->layers.contains(layer))
    throw Error(ErrorKind::kConfig, fmt::format("{}: the statistics of layer {} are missing", method, layer));
  return context.statistics->layers.at(layer).C;
}

std::string name_of(int layer) {
  return fmt::format("C of layer {}", layer);
}

}  // namespace

KeyMetric moment_metric(const Model& model, const EditorContext& context, int layer, double relative_ridge,
                        const std::string& method) {
  const at::Tensor& C = moment_of(context, layer, method);
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  return {factors.get(layer, moment_identity(*context.statistics, layer), C, relative_ridge,
                      model.options().device(), name_of(layer)),
          C};
}

std::shared_ptr<const Spectrum> moment_spectrum(const EditorContext& context, int layer,
                                                const std::string& method) {
  const at::Tensor& C = moment_of(context, layer, method);
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  return factors.spectrum(layer, moment_identity(*context.statistics, layer), C, name_of(layer));
}

}  // namespace emend::editors
