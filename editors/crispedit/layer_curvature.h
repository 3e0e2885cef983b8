// The directions of low curvature of one layer of a model: C from the statistics, G over text that the model
// writes itself.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "editors/crispedit/curvature.h"
#include "editors/crispedit/options.h"
#include "emend/editor.h"
#include "emend/generate.h"
#include "linalg/response_solver.h"

namespace emend::editors {

// Eigenvalues and eigenvectors of C of the layer, from the cache where they are kept. Throws Error(kConfig)
// if context.statistics does not hold the layer, or no more of its C than the diagonal.
std::shared_ptr<const Spectrum> full_spectrum(const Model& model, const EditorContext& context, int layer);

// Text of the model's own, of at least `tokens` new tokens, drawn at temperature 1: over it the moment of
// gradients is the Fisher information of a layer's outputs. The same text serves every layer. Kept where
// contexts are.
std::vector<TokenIds> own_texts(const Model& model, const EditorContext& context, std::int64_t tokens);

// `texts` is that text, `of_C` that spectrum. Throws as gradient_moment and LowCurvature do.
std::shared_ptr<const LowCurvature> low_curvature(const Model& model, const std::vector<TokenIds>& texts,
                                                  int layer, const Spectrum& of_C,
                                                  const CrispEditOptions& options);

}  // namespace emend::editors
