#pragma once

#include "emend/model.h"
#include "emend/pass.h"

namespace emend {

// Model::forward without the checks: residual stream of all blocks asked for (emend/pass.h).
PassOutput run_pass(const PassInput& input, const ModelConfig& config, const ModelWeights& weights,
                    const at::TensorOptions& options);

}  // namespace emend
