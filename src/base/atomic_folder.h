// Creates a folder completely or not at all.
#pragma once

#include <filesystem>

namespace emend {

// A folder under a temporary name beside the target; commit() renames it. Without commit(), or after an
// error, it goes away with all that is in it. The target must not exist, or be an empty folder. All errors
// are Error(kIo).
class AtomicFolder {
 public:
  // Throws when the target is there and not empty.
  explicit AtomicFolder(const std::filesystem::path& target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  // Where its files are to be written. They must be synced by whoever writes them.
  const std::filesystem::path& path() const { return temporary_; }

  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;  // empty after commit()
};

// Throws Error(kIo) when `folder` is there and is not an empty folder.
void require_new_folder(const std::filesystem::path& folder);

}  // namespace emend
