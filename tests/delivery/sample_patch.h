// A small patch with every field filled, and a scratch folder.
#pragma once

#include <filesystem>
#include <string>

#include "emend/patch.h"

namespace emend {

// Three facts ("edited" at layers 3 and 11, "already true") on a made-up model with D = 4 and F = 6.
Patch sample_patch();

// An empty folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace emend
