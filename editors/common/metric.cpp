#include "editors/common/metric.h"

#include <fmt/format.h>

#include "emend/error.h"
#include "linalg/key_factors.h"

namespace emend::editors {

void require_layer(const Model& model, int layer) {
  const int layers = model.config().layers;
  if (layer >= 0 && layer < layers) return;
  throw Error(ErrorKind::kConfig,
              fmt::format("layer {} is out of range; the model has layers 0 to {}", layer, layers - 1));
}

KeyMetric moment_metric(const Model& model, const EditorContext& context, int layer, double relative_ridge,
                        const std::string& method) {
  if (!context.statistics || !context.statistics->layers.contains(layer))
    throw Error(ErrorKind::kConfig, fmt::format("{}: the statistics of layer {} are missing", method, layer));
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  const std::string& made_from = context.statistics->fingerprint;
  const at::Tensor& C = context.statistics->layers.at(layer).C;
  const std::string identity = made_from.empty() ? "" : fmt::format("{} {}", made_from, layer);
  return {
      factors.get(identity, C, relative_ridge, model.options().device(), fmt::format("C of layer {}", layer)),
      C};
}

}  // namespace emend::editors
