// A whole file as a string.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace emend {

// The bytes of `path` as they are. Throws Error(kIo) naming the path and the reason: missing, a folder, no
// permission, neither a file nor a pipe, or longer than `max_bytes`.
std::string read_text_file(const std::filesystem::path& path,
                           std::uint64_t max_bytes = std::uint64_t{1} << 32);

}  // namespace emend
