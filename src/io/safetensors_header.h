// The header of a safetensors file into records.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin = 0;  // where the data buffer starts in the file
};

// Checks every rule of the format against `file`, the bytes of the whole file; only the header's bytes are
// read. `path` names the file in errors and in TensorInfo::file. Throws Error(kFormat).
//
// Refused: a header that is longer than the file or than 100 MB, is not UTF-8, does not begin with '{', is
// not one JSON object with spaces behind; names given twice; records that lack dtype, shape or data_offsets
// or have more than these; unknown dtypes; numbers that are negative, fractional or written with an exponent;
// shapes whose product overflows; tensors that overlap, leave holes, or do not end where the file ends; more
// than a million tensors, 32 dimensions or 64 KiB of name.
SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file,
                                           const std::filesystem::path& path);

// The metadata alone: dtypes, shapes and places of the tensors are not looked at. Throws Error(kFormat) for a
// header that cannot be read.
std::map<std::string, std::string> safetensors_metadata(std::span<const std::byte> file,
                                                        const std::filesystem::path& path);

}  // namespace emend
