// Abilities before and after an edit (emend/abilities.h): on a terminal, as a page and as JSON, and as files
// of a folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/abilities.h"
#include "emend/model.h"

namespace emend {

inline constexpr const char* kAbilitiesFile = "abilities.json";
inline constexpr const char* kItemsFile = "items.jsonl";

std::string abilities_text(const AbilityOutcome& outcome, std::size_t columns);

// The same table as an HTML page; `model`: where the model lies, for the subtitle.
std::string abilities_page(const AbilityOutcome& outcome, const std::filesystem::path& model);

// `patches`: the files that were laid on the model, in their order.
ResultJson abilities_json(const AbilityOutcome& outcome, const std::vector<std::string>& patches,
                          const Model& model);

// abilities.json, and items.jsonl with a line for each item and its texts; each file whole or not at all.
// `asked`: the tasks that were measured. Returns their paths. Throws Error(kIo).
std::vector<std::filesystem::path> write_abilities(const std::filesystem::path& folder,
                                                   const AbilityOutcome& outcome,
                                                   const std::vector<AbilityTask>& asked,
                                                   const std::vector<std::string>& patches,
                                                   const Model& model);

}  // namespace emend
