// An edit on disk: one safetensors file that holds the change, where it came from, and what it was checked
// against. Format: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/compute.h"
#include "emend/edit.h"

namespace emend {

// What the numbers of a run depend on besides its inputs. With the same conditions, the same machine writes
// the same bytes. A patch that was merged from several records what they have in common.
struct RunConditions {
  std::vector<DeviceName> devices;   // of the model, in the order of its blocks; empty: not recorded
  std::optional<ComputeType> dtype;  // of weights and activations; std::nullopt: not recorded
  // Of contexts, and of text that the model wrote for statistics; std::nullopt: not recorded.
  std::optional<std::uint64_t> seed = std::nullopt;
  std::int64_t token_budget = 0;  // tokens that one pass may hold; 0: not recorded
};

struct Patch {
  Edit edit;
  RunConditions conditions;
  std::string emend_version;
  std::string base_name;  // the model file's name, for people; what is not UTF-8 is saved as U+FFFD
  std::string edit_text;  // the edit file, byte for byte
  std::string bos;  // as chosen: auto, none or a token; empty: merged from patches that chose differently
  std::vector<std::int64_t> prefix;
  PromptForm form = PromptForm::kRaw;
  CheckThresholds thresholds;
  std::vector<CheckResult> checks;
  std::vector<std::vector<std::int64_t>> held_text;  // what drift was measured on
  bool passed = false;
};

// The format that save_patch writes. Format 1, which names no weights and no way of solving, is still read.
inline constexpr int kPatchFormat = 2;

// Writes the whole file or nothing. The same patch gives the same bytes: the file holds no times. Throws
// Error(kIo); Error(kModel) for an edit that load_patch would refuse: it changes nothing, its solves are not
// one for each change in the same order, two facts have one id, or a change and the edited facts do not
// belong to each other; Error(kNumeric) for a number that is not finite.
void save_patch(const Patch& patch, const std::filesystem::path& file);

// Throws Error(kIo), or Error(kFormat): a tensor or metadata key is missing or broken (it is named), or the
// format is newer than kPatchFormat.
Patch load_patch(const std::filesystem::path& file);

// Throws Error(kModel), naming both fingerprints, if the patch was made for another base; otherwise checks
// and throws as require_sizes().
void require_base(const Patch& patch, const Model& model, const std::filesystem::path& file);

// Throws Error(kFormat) for a change that does not fit the model's layers and sizes, and for token ids
// outside its vocabulary. The patch may be for any base.
void require_sizes(const Patch& patch, const Model& model, const std::filesystem::path& file);

}  // namespace emend
