#include "editors/common/metric.h"

#include <fmt/format.h>

#include <utility>

#include "analysis/moments_in_file.h"
#include "analysis/statistics_factors.h"
#include "base/layer_number.h"
#include "emend/error.h"
#include "linalg/key_factors.h"

namespace emend::editors {

void require_layer(const Model& model, int layer) {
  emend::require_layer("the edit", layer, model.config().layers);
}

namespace {

const LayerStatistics& statistics_of(const EditorContext& context, int layer, const std::string& method) {
  if (!context.statistics || !context.statistics->layers.contains(layer))
    throw Error(ErrorKind::kConfig, fmt::format("{}: the statistics of layer {} are missing", method, layer));
  return context.statistics->layers.at(layer);
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
  auto factor = factors.get(layer, moment_identity(*context.statistics, layer), statistics.C, relative_ridge,
                            model.options().device(), name_of(layer));
  let_go_of(statistics.C);
  return {std::move(factor), statistics.C, model.options().device()};
}

std::shared_ptr<const Spectrum> moment_spectrum(const Model& model, const EditorContext& context, int layer,
                                                const std::string& method) {
  const LayerStatistics& statistics = statistics_of(context, layer, method);
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  auto spectrum = factors.spectrum(layer, moment_identity(*context.statistics, layer), statistics.C,
                                   model.options().device(), name_of(layer));
  let_go_of(statistics.C);
  return spectrum;
}

std::shared_ptr<const SpectralProjector> moment_projector(const Model& model, const EditorContext& context,
                                                          int layer, double threshold,
                                                          const std::string& method) {
  const LayerStatistics& statistics = statistics_of(context, layer, method);
  EditorCache none_kept;
  KeyFactors& factors = (context.cache ? *context.cache : none_kept).factors();
  auto projector = factors.projector(layer, moment_identity(*context.statistics, layer), statistics.C,
                                     threshold, model.options().device());
  let_go_of(statistics.C);
  return projector;
}

}  // namespace emend::editors
