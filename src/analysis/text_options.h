// What the options of a run over text mean for a model.
#pragma once

#include <string>

#include "emend/model.h"
#include "emend/text_run.h"

namespace emend {

// Throws Error(kUsage), which names the option, for values that no run over text can have, whatever the
// model.
void check_text_values(const TextOptions& options);

// The same, and throws Error(kConfig) if the run has no end or a window is too short. `analysis` begins the
// message: "statistics".
void check_text_options(const Model& model, const TextOptions& options, const std::string& analysis);

// Cuts the window to the model's positions, and sets the size of blocks if none is given: small ones if the
// run `may_stop` at the end of a block, or reads a whole corpus. Tokens must be set.
void settle_text_options(const Model& model, bool may_stop, TextOptions& options);

// What vectors must share to be added: "window 512, Float pass, position 0 left out".
std::string settings_of(const Model& model, const TextOptions& options);
// The end of it, which does not depend on the text.
std::string pass_settings(const Model& model);

}  // namespace emend
