// What an edit takes beside the weights, before the model is loaded (pipeline/memory_limit.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/memory_estimate.h"
#include "emend/model.h"
#include "pipeline/memory_limit.h"

namespace emend {

// The least that the editor plans for these edits of the model at `path`, of which the header and the
// tokenizer are read for it; std::nullopt for a method that plans no memory. `on`: the patch that is built
// on, or empty. Throws as a run would for edits that do not fit the tokenizer.
std::optional<EditMemory> least_edit_memory(const std::filesystem::path& path, const Editor& editor,
                                            const EditFile& file, std::int64_t token_budget,
                                            const std::filesystem::path& on, ComputeType type);

// As edit_work_bytes of memory_limit.h, with what the editor plans (weights included, which are not counted
// here), and its parts.
WorkSize edit_work(const ModelConfig& config, ComputeType type, std::int64_t token_budget,
                   const std::optional<EditMemory>& planned);

// "weights 20 MB, ...; and one at a time of a solve 3 MB, ..."
std::string parts_text(const EditMemory& memory);

}  // namespace emend
