// A statistics folder as it lies on disk: one safetensors file a layer, and the held text (docs/formats.md).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "emend/statistics.h"
#include "emend/tensor_file.h"

namespace emend {

// What the files of a folder say about their origin, word for word.
struct StatisticsOrigin {
  std::string family;
  std::string prefix;  // ids with a space between
  std::string source;
  std::string settings;
  std::string fingerprint;
};

// "layer_<l>.safetensors" of the folder, and the tensor in it.
std::filesystem::path layer_file(const std::filesystem::path& folder, int layer);
std::string layer_tensor(int layer);

// The files of all layers that the folder holds, by layer. Throws Error(kFormat) when there is none.
std::map<int, std::filesystem::path> layer_files(const std::filesystem::path& folder);

// The metadata emend.KEY. Throws Error(kFormat) naming file and key when it is missing; the `_or` form takes
// `fallback`.
std::string statistics_metadata(const TensorFile& file, const std::string& key);
std::string statistics_metadata_or(const TensorFile& file, const std::string& key,
                                   const std::string& fallback);

// C as float64, the number of keys, probes and quality, from F32 or F64 [d_ff, d_ff]; without `d_ff` any
// square size will do. Throws Error(kFormat) for another type or shape, numbers that are not finite, and a
// count that is none.
LayerStatistics read_layer_statistics(const TensorFile& file, int layer,
                                      std::optional<std::int64_t> d_ff = std::nullopt);
StatisticsOrigin read_origin(const TensorFile& file);

// Writes layer_<l>.safetensors: C rounded to float32.
std::filesystem::path write_layer_file(const std::filesystem::path& folder, int layer,
                                       const LayerStatistics& statistics, const std::string& key_fingerprint,
                                       const StatisticsOrigin& origin);

// held_text.safetensors: of `statistics`, only held text and documents are used.
std::filesystem::path held_text_file(const std::filesystem::path& folder);
void write_held_text(const std::filesystem::path& folder, const Statistics& statistics);
// Into `statistics`; ids must be below `vocab`. Throws Error(kFormat).
void read_held_text(const std::filesystem::path& folder, std::int64_t vocab, Statistics& statistics);

// "15 26": ids as the metadata has them.
std::string ids_text(const std::vector<std::int64_t>& ids);

}  // namespace emend
