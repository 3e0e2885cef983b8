// A file's bytes, read-only, for as long as this object lives.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace emend {

// Movable; the bytes stay where they are. A file that another process shortens while it is mapped cannot be
// read safely (SIGBUS): emend itself only ever replaces files (base/atomic_file.h).
class MappedFile {
 public:
  // Throws Error: kIo (missing, a folder, a device, no permission), kFormat (empty).
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// Gives the memory of a mapping's whole pages back, until they are read again: these bytes are part of a
// MappedFile.
void drop_pages(std::span<const std::byte> mapped);

// Has the system read these bytes of a MappedFile in the background, since they are needed soon.
void ask_for_pages(std::span<const std::byte> mapped);

}  // namespace emend
