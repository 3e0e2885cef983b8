// What the update of a layer is quiet under: its second moment of keys, factored once a call or kept between
// calls.
#pragma once

#include <memory>
#include <string>

#include "emend/editor.h"
#include "emend/model.h"
#include "linalg/response_solver.h"
#include "linalg/spectral_projector.h"

namespace emend::editors {

// Throws Error(kConfig) if the model does not have this layer.
void require_layer(const Model& model, int layer);

// C of the layer + relative_ridge trace(C) / F, on the model's device if it fits there. Throws
// Error(kConfig), beginning with the name of the method, if context.statistics does not hold the layer;
// Error(kNumeric) if C is not positive definite.
KeyMetric moment_metric(const Model& model, const EditorContext& context, int layer, double relative_ridge,
                        const std::string& method);

// Eigenvalues and eigenvectors of C of the layer, on the model's device if they fit there; from the cache
// where they are kept. Throws as moment_metric does.
std::shared_ptr<const Spectrum> moment_spectrum(const Model& model, const EditorContext& context, int layer,
                                                const std::string& method);

// The projector onto the eigenvectors of C of the layer whose eigenvalues are below `threshold`, where it is
// made without them; nullptr: take moment_spectrum (KeyFactors::projector says when). Throws Error(kConfig)
// as moment_metric does.
std::shared_ptr<const SpectralProjector> moment_projector(const Model& model, const EditorContext& context,
                                                          int layer, double threshold,
                                                          const std::string& method);

}  // namespace emend::editors
