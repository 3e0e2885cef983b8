// Results as the JSON of the contract (docs/formats.md): keys may be added, never renamed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/checks.h"
#include "emend/edit.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/write_back.h"

namespace emend {

// Facts that were measured before and after; of those that were not, only what they change.
ResultJson edits_json(const std::vector<FactRecord>& facts);
// Adds "layers", the blocks that the edit changes, if they are more than the one in "layer".
void add_layers(ResultJson& entry, const std::vector<int>& layers);
void add_layers(ResultJson& entry, const FactRecord& fact);
ResultJson checks_json(const std::vector<CheckResult>& checks);

// {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"}.
ResultJson model_json(const Model& model);
ResultJson model_json(const std::string& path, const ModelConfig& config, const std::string& fingerprint);

// What a patch says of itself: base, method, options, edits as far as their states are stored, checks,
// warnings.
ResultJson patch_result_json(const Patch& patch);

// As text. Text from a model may end inside a character: what is not UTF-8 is replaced.
std::string dump_json(const ResultJson& json);

// ---- what was written into a checkpoint

// One record a tensor: what it was and is stored as, the share of the change that arrived, and rounding.
ResultJson written_tensors_json(const WritePlan& plan);

// One record a fact of this patch: what arrived at its keys.
ResultJson realised_json(const WritePlan& plan, std::size_t patch);

// Of a write in place that was taken back; the paths as the caller named them.
ResultJson revert_json(const std::string& model, const std::filesystem::path& undo,
                       const std::vector<std::filesystem::path>& restored);

}  // namespace emend
