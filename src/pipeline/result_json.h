// Results as the JSON of the contract (docs/formats.md): keys may be added, never renamed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/dump_json.h"
#include "base/json.h"
#include "emend/checks.h"
#include "emend/edit.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/write_back.h"

namespace emend {

// Facts, and what was measured of them before and after where both are known.
ResultJson edits_json(const std::vector<FactRecord>& facts);
// Adds "layers", the blocks that the edit changes, if they are more than the one in "layer".
void add_layers(ResultJson& entry, const std::vector<int>& layers);
void add_layers(ResultJson& entry, const FactRecord& fact);
ResultJson checks_json(const std::vector<CheckResult>& checks);

// {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"}.
ResultJson model_json(const Model& model);
ResultJson model_json(const std::string& path, const ModelConfig& config, const std::string& fingerprint);

ResultJson paths_json(const std::vector<std::filesystem::path>& paths);

// ---- what was written into a checkpoint

// One record a tensor: what it was and is stored as, the share of the change that arrived, and rounding.
ResultJson written_tensors_json(const WritePlan& plan);

// One record a fact of this patch: what arrived at its keys.
ResultJson realised_json(const WritePlan& plan, std::size_t patch);

// Of a write in place that was taken back; the paths as the caller named them.
ResultJson revert_json(const std::string& model, const std::filesystem::path& undo,
                       const std::vector<std::filesystem::path>& restored);

}  // namespace emend
