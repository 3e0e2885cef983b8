// The project's C++ files as text, which the checks of this folder read.
#pragma once

#include <string>
#include <vector>

namespace emend::structure {

struct SourceFile {
  std::string path;  // from the repository root: "src/io/npz.cpp"
  std::string text;
};

// The files below the given folders of `root` that are C++; folders that do not exist are left out.
std::vector<SourceFile> read_sources(const std::string& root, const std::vector<std::string>& folders);

}  // namespace emend::structure
