#pragma once

#include "emend/model.h"
#include "emend/pass.h"
#include "model/layers.h"

namespace emend {

// Model::forward without the checks: residual stream of all blocks asked for (emend/pass.h). Attributions ask
// for other gradients than the exact ones.
PassOutput run_pass(const PassInput& input, const ModelConfig& config, const ModelWeights& weights,
                    const at::TensorOptions& options, Gradients gradients = Gradients::kExact);

}  // namespace emend
