#include "editors/common/metric.h"

#include <fmt/format.h>

#include <utility>

#include "analysis/moments_in_file.h"
#include "emend/error.h"
#include "linalg/key_factors.h"

namespace emend::editors {

void require_layer(const Model& model, int layer) {
  const int layers = model.config().layers;
  if (layer >= 0 && layer < layers) return;
  throw Error(ErrorKind::kConfig,
              fmt::format("layer {} is out of range; the model has layers 0 to {}", layer, layers - 1));
}

namespace {

const LayerStatistics& statistics_of(const EditorContext& context, int layer, const std::string& method) {
  if (!context.statistics || !context.statistics->layers.contains(layer))
    throw Error(ErrorKind::kConfig, fmt::format("{}: the statistics of layer {} are missing", method, layer));
  return context.statistics->layers.at(layer);
}

// What tells the C of this layer from any other; empty if that is not known.
std::string identity_of(const EditorContext& context, int layer) {
  const std::string made_from = context.statistics->fingerprint({layer});
  return made_from.empty() ? "" : fmt::format("{} {}", made_from, layer);
}

std::string name_of(int layer) {
  return fmt::format("C of layer {}", layer);
}

}  // namespace

KeyMetric moment_metric(const Model& model, const EditorContext& context, int layer, double relative_ridge,
                        const std::string& method) {
  const LayerStatistics& statistics = statistics_of(context, layer, method);
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  auto factor = factors.get(layer, identity_of(context, layer), statistics.C, relative_ridge,
                            model.options().device(), name_of(layer));
  let_go_of(statistics.C);
  return {std::move(factor), statistics.C};
}

std::shared_ptr<const Spectrum> moment_spectrum(const EditorContext& context, int layer,
                                                const std::string& method) {
  const LayerStatistics& statistics = statistics_of(context, layer, method);
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  auto spectrum = factors.spectrum(layer, identity_of(context, layer), statistics.C, name_of(layer));
  let_go_of(statistics.C);
  return spectrum;
}

}  // namespace emend::editors
