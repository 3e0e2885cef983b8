// Where the statistics lie that a run takes if it names no folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct StatisticsPlace {
  std::filesystem::path folder;
  std::string note;  // which folder was taken, and of how many; empty for default_statistics_folder
};

// The layers that are needed, each with the fingerprint that its statistics must have; "": any.
using WantedStatistics = std::map<int, std::string>;
WantedStatistics wanted_statistics(const std::vector<int>& layers);

// default_statistics_folder if it holds the layers. Else the folder in `stats/` beside the model, or beside
// the model itself, that holds all of them, of this model, with this prefix and collected as this model would
// collect them (any text; a diagonal of C does not count): the one with the most tokens, then the first by
// name. Where there is none, a default folder that the model got under another file name and that holds some
// of the layers; else default_statistics_folder. So a run collects missing layers only in a folder of the
// model's own. Folders that cannot be read are passed over.
StatisticsPlace find_statistics(const Model& model, const std::vector<std::int64_t>& prefix,
                                const WantedStatistics& wanted);

// The same of any fingerprint, as long as the layers are not known: the default folder if a decision is kept
// there, else by the layers that `layer: auto` tries.
std::filesystem::path find_decided_statistics(const Model& model, const std::vector<std::int64_t>& prefix);

}  // namespace emend
