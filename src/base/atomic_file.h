// Writes a file completely or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"

namespace emend {

// Writes to a temporary name beside the target; commit() puts it in place. Until then the target is as it
// was, and a process that has it mapped keeps the old bytes even afterwards. Without commit(), or after any
// error, the temporary file and those parent folders that this object made go away again.
//
// A target that is a symbolic link is followed. An existing target keeps its mode bits; one that is
// write-protected, or no regular file (a folder, a device), is refused. All errors are Error(kIo) with the
// path and the reason.
class AtomicFile {
 public:
  // Creates missing parent folders and the temporary file.
  explicit AtomicFile(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  // Appends; buffered by 1 MiB.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  // Bytes given to write() so far.
  std::uint64_t written() const { return written_; }

  // Flushes, syncs, renames over the target and syncs the folder. Call once, last.
  void commit();

 private:
  void create_parents();
  void create_temporary();
  void flush();
  void write_through(std::span<const std::byte> bytes);
  void keep_mode();
  void discard() noexcept;

  std::filesystem::path target_;                        // links resolved
  std::filesystem::path temporary_;                     // empty when there is none on disk
  std::vector<std::filesystem::path> created_folders_;  // outermost first
  FileDescriptor file_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t buffered_ = 0;
  std::uint64_t written_ = 0;
};

// Writes a small file in one call.
void write_file_atomically(const std::filesystem::path& target, std::string_view text);

}  // namespace emend
