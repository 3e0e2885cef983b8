// The options that name a model and how its text begins, as the library takes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/console.h"
#include "cli/options.h"
#include "emend/checks.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend {

// Loads `path` with the device, type and threads of the options.
Model load_model(const std::string& path, const CommonOptions& options, Console& console);

// The ids that begin every text: what the tokenizer itself adds for "auto", none for "none", else the token
// of that name. Throws Error(kConfig) when the tokenizer has no such token.
std::vector<std::int64_t> resolve_bos(const Tokenizer& tokenizer, const std::string& choice);

// "raw" or "chat"; Error(kUsage) for any other value of --form.
PromptForm parse_form(const std::string& form);

CheckOptions check_options(const std::vector<std::int64_t>& prefix, PromptForm form,
                           const CommonOptions& options);

// {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"}.
ResultJson model_json(const Model& model);

// Of this process, so far.
std::int64_t peak_memory_bytes();

}  // namespace emend
