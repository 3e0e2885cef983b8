// The files of a checkpoint, for whoever writes a new one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emend/write_back.h"
#include "io/file_rewrite.h"

namespace emend {

// Throws Error(kIo) when `out` is the base, lies in its folder or holds it, saying what to do instead.
void require_apart(const std::filesystem::path& base, const std::filesystem::path& out,
                   const std::string& remedy);

// Throws Error(kModel) when a tensor's bytes do not have this XXH3-128.
void require_unchanged(const TensorFile& file, const TensorInfo& tensor, const std::string& digest);

// Each file that holds a planned tensor, with it in place; of a sharded checkpoint whose sizes change also
// its index. The files are mapped until this goes away. Throws Error(kModel) for a tensor that changed since
// the plan was made.
std::vector<FileRewrite> rewrite_files(const WritePlan& plan);

// The names of those files of a split GGUF model that are not rewritten.
std::vector<std::filesystem::path> other_shards(const std::vector<std::filesystem::path>& shards,
                                                const std::vector<FileRewrite>& rewritten);

// Files of a folder checkpoint that are copied as they are, relative to `folder`: all but `rewritten`, undo
// files, temporary files of emend and hidden ones. Of a single safetensors file: its config and tokenizer.
std::vector<std::filesystem::path> companion_files(const std::filesystem::path& base,
                                                   const std::vector<FileRewrite>& rewritten);

}  // namespace emend
