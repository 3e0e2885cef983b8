// A statistics folder as it lies on disk: one safetensors file a layer (docs/formats.md).
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "emend/statistics.h"
#include "emend/tensor_file.h"

namespace emend {

// "layer_<l>.safetensors" of the folder, and the tensor in it.
std::filesystem::path layer_file(const std::filesystem::path& folder, int layer);
std::string layer_tensor(int layer);

// The files of all layers that the folder holds, by layer. Throws Error(kFormat) when there is none.
std::map<int, std::filesystem::path> layer_files(const std::filesystem::path& folder);

// The metadata emend.KEY. Throws Error(kFormat) naming file and key when it is missing.
std::string statistics_metadata(const TensorFile& file, const std::string& key);

// C as float64 and the number of keys, from F32 or F64 [d_ff, d_ff]; without `d_ff` any square size will do. Throws
// Error(kFormat) for another type or shape, numbers that are not finite, and a count that is none.
LayerStatistics read_layer_statistics(const TensorFile& file, int layer,
                                      std::optional<std::int64_t> d_ff = std::nullopt);

}  // namespace emend
