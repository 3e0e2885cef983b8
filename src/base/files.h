// Files as a whole: read, copied, asked for before long work; and one wording for what the system refuses.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "emend/error.h"

namespace emend {

// "cannot read /a/b: no such file or directory". `action` is a verb ("read", "write", "create"),
// `error_number` an errno.
Error io_error(const std::string& action, const std::filesystem::path& path, int error_number);

// The bytes of `path` as they are. Throws Error(kIo) naming the path and the reason: missing, a folder, no
// permission, neither a file nor a pipe, or longer than `max_bytes`.
std::string read_text_file(const std::filesystem::path& path,
                           std::uint64_t max_bytes = std::uint64_t{1} << 32);

// ---- copies, and room for them

// Copies a regular file to a name that is not taken: shares its blocks where the file system can (reflink),
// else copies inside the kernel. Keeps the mode bits; synced. Throws Error(kIo) and leaves no copy.
void copy_file_durably(const std::filesystem::path& from, const std::filesystem::path& to);

// Throws Error(kIo), with what is needed and what there is, when the file system of `place` (or of the
// nearest folder above it that exists) has less than `bytes` free for this user.
void require_space(const std::filesystem::path& place, std::uint64_t bytes);

// Syncs a folder's entries; file systems that do not support this are accepted.
void sync_folder(const std::filesystem::path& folder);

// The absolute path, with links followed as far as it exists: two names of one file give one path.
std::filesystem::path true_path(const std::filesystem::path& path);

// The nearest folder above `path`, or `path` itself, that exists. An empty path is the current folder.
std::filesystem::path nearest_folder(std::filesystem::path path);

// ---- before long work, whether an output can be written; nothing is changed on disk

// Throws Error(kIo) with the reason: `file` cannot be written (written_place), or the nearest folder above it
// that exists is not one, or not writable.
void require_writable_file(const std::filesystem::path& file);

// Where a file that is written whole (base/atomic_file.h) really goes: absolute, links followed, also those
// that lead to nothing yet. Throws Error(kIo) for a path that names no file, and for what is there and is
// write-protected or no regular file: a folder, a device, a pipe.
std::filesystem::path written_place(const std::filesystem::path& file);

// The same for a folder in which files will be made.
void require_writable_folder(const std::filesystem::path& folder);

}  // namespace emend
