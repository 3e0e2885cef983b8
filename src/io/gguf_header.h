// The header of a GGUF file into keys and tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "emend/tensor_file.h"

namespace emend {

constexpr std::size_t kMostGgufNameBytes = 63;  // of a tensor; ggml's own limit

struct GgufHeader {
  std::uint32_t version = 0;
  std::uint64_t alignment = 32;
  std::uint64_t records_begin = 0;  // where the tensor records start in the file, behind the keys
  std::uint64_t data_begin = 0;     // where the data section starts in the file
  std::map<std::string, GgufValue> metadata;
  std::vector<TensorInfo> tensors;  // in the order of the header
};

// Checks every rule of the format against `file`, the bytes of the whole file; only the header's bytes are
// read. `path` names the file in errors and in TensorInfo::file. Throws Error(kFormat).
//
// Refused: another magic or version than GGUF 2 or 3, big-endian files; counts and lengths that the rest of
// the file cannot hold (before anything is allocated); keys or tensors given twice; unknown types; nested
// arrays; booleans other than 0 and 1; integers above 2^63 - 1; an alignment that is not a u32 power of two;
// more than four dimensions; rows that are not a whole number of blocks; tensors off their alignment, outside
// the file, or overlapping. One part of a split model is a file like any other: gguf_split.h. Gaps between
// tensors and any order of them are accepted, though ggml refuses both.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::filesystem::path& path);

// Whether a file begins as GGUF does, whatever its name ends in: no folder, and nothing that cannot be read.
bool is_gguf_file(const std::filesystem::path& path);

}  // namespace emend
