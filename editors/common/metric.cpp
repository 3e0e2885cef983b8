#include "editors/common/metric.h"

#include "emend/error.h"

namespace emend::editors {

void require_layer(const Model& model, int layer) {
  const int layers = model.config().layers;
  if (layer >= 0 && layer < layers) return;
  throw Error(ErrorKind::kConfig, "layer " + std::to_string(layer) +
                                      " is out of range; the model has layers 0 to " +
                                      std::to_string(layers - 1));
}

KeyMetric moment_metric(const Model& model, const EditorContext& context, int layer, double relative_ridge,
                        const std::string& method) {
  const std::string name = std::to_string(layer);
  if (!context.statistics || !context.statistics->layers.contains(layer))
    throw Error(ErrorKind::kConfig, method + ": the statistics of layer " + name + " are missing");
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  const std::string& made_from = context.statistics->fingerprint;
  const at::Tensor& C = context.statistics->layers.at(layer).C;
  return {factors.get(made_from.empty() ? "" : made_from + " " + name, C, relative_ridge,
                      model.options().device(), "C of layer " + name),
          C};
}

}  // namespace emend::editors
