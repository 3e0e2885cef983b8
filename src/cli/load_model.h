// The options that name a model and how its text begins, as the library takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "console/console.h"
#include "console/options.h"
#include "emend/checks.h"
#include "emend/model.h"
#include "emend/records.h"
#include "pipeline/memory_limit.h"
#include "pipeline/result_json.h"

namespace emend {

// The device, type and threads of the options, as the library takes them.
ModelOptions model_options(const CommonOptions& options);
// Loads `path` with the device, type and threads of the options, within --memory: blocks that find no room
// beside `work` are read again in each pass.
Model load_model(
    const std::string& path, const CommonOptions& options, Console& console,
    const WorkBytes& work = [](const ModelConfig&) { return 0; }, Spare spare = Spare::kForWeights);
// The token budget that fits the model's device, unless one was given; says so when its memory lowers it.
void fit_token_budget(const Model& model, CommonOptions& options, Console& console);

// "raw" or "chat"; Error(kUsage) for any other value of --form.
PromptForm parse_form(const std::string& form);

}  // namespace emend
