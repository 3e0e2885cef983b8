// A folder for the time of a run.
#pragma once

#include <filesystem>
#include <string>

namespace emend {

// Made among the system's temporary files; goes away with its object, with all that is in it. Throws
// Error(kIo) if it cannot be made.
class TemporaryFolder {
 public:
  // `name` begins that of the folder: "emend-trial".
  explicit TemporaryFolder(const std::string& name);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace emend
