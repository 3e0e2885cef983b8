// The layers of a statistics folder on disk: one safetensors file a layer (docs/formats.md).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "analysis/held_text.h"
#include "analysis/text_file.h"
#include "emend/statistics.h"

namespace emend {

// "layer_<l>.safetensors" of the folder, and the name of the tensor in it.
std::filesystem::path layer_file(const std::filesystem::path& folder, int layer);
std::string layer_tensor(int layer);
std::string diagonal_tensor(int layer);

// The files of all layers that the folder holds, by layer; nothing if there is no such folder.
std::map<int, std::filesystem::path> find_layer_files(const std::filesystem::path& folder);
// The same. Throws Error(kFormat) if there is none.
std::map<int, std::filesystem::path> layer_files(const std::filesystem::path& folder);

// C as float64, the number of keys, probes, quality and origin, from F32 or F64 [d_ff, d_ff], or [d_ff] where
// the file holds a diagonal; without `d_ff` of any size. Throws Error(kFormat) for another type or shape, for
// numbers that are not finite, a diagonal with negative ones, and if the number of keys is not a number.
LayerStatistics read_layer_statistics(const TensorFile& file, int layer,
                                      std::optional<std::int64_t> d_ff = std::nullopt);

// Writes layer_<l>.safetensors: C rounded to float32. Returns its path.
std::filesystem::path write_layer_file(const std::filesystem::path& folder, int layer,
                                       const LayerStatistics& statistics, const std::string& key_fingerprint,
                                       const TextOrigin& origin);

// What the name of default_statistics_folder ends with, whatever the name of the model's file:
// "-<fingerprint>[-bos-<ids>]".
std::string default_folder_ending(const Model& model, const std::vector<std::int64_t>& prefix);

// The text of statistics, and the other way round.
VisitedText visited_text(const Statistics& statistics);
void set_text(Statistics& statistics, VisitedText text);

}  // namespace emend
