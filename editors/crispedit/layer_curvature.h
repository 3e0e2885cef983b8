// The directions of low curvature of one layer of a model: C from the statistics, G over text that the model
// writes itself.
#pragma once

#include <memory>

#include "editors/crispedit/curvature.h"
#include "editors/crispedit/options.h"
#include "emend/editor.h"
#include "linalg/response_solver.h"

namespace emend::editors {

// Eigenvalues and eigenvectors of C of the layer, from the cache where they are kept. Throws Error(kConfig)
// if context.statistics does not hold the layer, or no more of its C than the diagonal.
std::shared_ptr<const Spectrum> full_spectrum(const Model& model, const EditorContext& context, int layer);

// `of_C` is that spectrum. The text is the same for every layer; it is kept where contexts are. Throws as
// gradient_moment and LowCurvature do.
std::shared_ptr<const LowCurvature> low_curvature(const Model& model, const EditorContext& context, int layer,
                                                  const Spectrum& of_C, const CrispEditOptions& options);

}  // namespace emend::editors
