// Checks, before long work, whether an output can be written. Nothing is changed on disk.
#pragma once

#include <filesystem>

namespace emend {

// Throws Error(kIo) with the reason: `file` is a folder or write-protected, or the nearest folder above it
// that exists is not one, or not writable.
void require_writable_file(const std::filesystem::path& file);

// The same for a folder in which files will be made.
void require_writable_folder(const std::filesystem::path& folder);

}  // namespace emend
