// What an input of a run is known by when the run is repeated, and how a command line names it.
#pragma once

#include <filesystem>
#include <string>

namespace emend {

// SHA-256 of a file; of a folder that of the names and hashes of the files in it, by name. Throws Error(kIo).
std::string hash_of_input(const std::filesystem::path& path);

// An option of the program as its command line spells it.
inline std::string option_of(const std::string& name) {
  return "--" + name;
}

}  // namespace emend
