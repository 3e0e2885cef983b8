// Copies of files, and room for them.
#pragma once

#include <cstdint>
#include <filesystem>

namespace emend {

// Copies a regular file to a name that is not taken: shares its blocks where the file system can (reflink),
// else copies inside the kernel. Keeps the mode bits; synced. Throws Error(kIo) and leaves no copy.
void copy_file_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// Throws Error(kIo), with what is needed and what there is, when the file system of `place` (or of the
// nearest folder above it that exists) has less than `bytes` free for this user.
void require_space(const std::filesystem::path& place, std::uint64_t bytes);

// Syncs a folder's entries; file systems that do not support this are accepted.
void sync_folder(const std::filesystem::path& folder);

// The nearest folder above `path`, or `path` itself, that exists. An empty path is the current folder.
std::filesystem::path nearest_folder(std::filesystem::path path);

}  // namespace emend
