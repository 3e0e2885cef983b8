// A folder that goes away with the object.
#pragma once

#include <filesystem>
#include <string>

namespace emend {

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  // Writes a file and returns its path.
  std::string write(const std::string& name, const std::string& text) const;
  // Paths of all that is in it, folders too, relative and sorted, joined by spaces.
  std::string listing() const;

 private:
  std::filesystem::path path_;
};

}  // namespace emend
