// NumPy archives (.npz): a zip file of arrays, stored or deflated.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "io/npy.h"

namespace emend {

// All arrays by name, without ".npy". Every offset and size is checked against the file before it is used.
// Throws Error(kIo), or Error(kFormat) naming file and entry: not a zip file, encrypted, an unknown
// compression, damaged data or a wrong CRC-32, and what parse_npy() refuses.
std::map<std::string, NpyArray> read_npz(const std::filesystem::path& file);

}  // namespace emend
