// The options file of a benchmark: one method with its options, and a name to tell it apart.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "emend/records.h"

namespace emend {

// label: bare key alone      (default: the file's name without its ending)
// method: rome               (default: the one named by --method)
// layer: 4                   (default: auto)
// statistics: ../stats/text  (default: the model's own)
// options: {keys: prompt}
struct MethodFile {
  std::string label;
  std::string method;                // empty: not given
  LayerChoice layer;
  std::filesystem::path statistics;  // resolved against the file's folder; empty: not given
  std::map<std::string, OptionText> options;
};

// Throws Error(kConfig) with file, line and column for YAML syntax, unknown keys and wrong types, Error(kIo) when the file
// cannot be read.
MethodFile read_method_file(const std::filesystem::path& file);

}  // namespace emend
