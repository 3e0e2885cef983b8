// May this be written, beside all that the command reads and writes? Asked before long work; nothing is
// changed on disk.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"

namespace emend {

// Throws Error(kIo) when writing `file` would overwrite one of `inputs`, or the checkpoint
// (model*.safetensors, *.json) in one that is a folder.
void require_not_among(const std::filesystem::path& file, const std::vector<std::filesystem::path>& inputs);

// What a command reads and writes besides the output in question. Empty paths stand for nothing.
struct OtherFiles {
  // Edit file, patches, corpus, the patch to be written; a folder, also one that is not there yet, with all
  // that is in it.
  std::vector<std::filesystem::path> files;
  std::filesystem::path model;                    // a folder with all that is in it, or a file
  std::vector<std::filesystem::path> statistics;  // folders: their .safetensors files, there or to be written
};

// Throws Error(kUsage) naming both files if `output`, which `option` ("--json") names, is one of the
// others. Accepts an empty `output`.
void require_output_apart(const std::string& option, const std::filesystem::path& output,
                          const OtherFiles& others);

// What is written, which is never decided by the name that it gets.
enum class OutputForm { kFolder, kGguf, kSafetensors };

// Throws Error(kUsage), naming the file and both forms, if its name ends as files of another form do:
// .gguf, .safetensors, or .bin, .pt, .pth and .npz, none of which is written. Names that end in nothing, or
// in something else, are taken.
void require_ending(const std::filesystem::path& output, OutputForm form);

}  // namespace emend
