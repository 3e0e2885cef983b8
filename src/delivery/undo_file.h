// What it takes to get files back as they were: the undo file of a write in place. Format: docs/formats.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/file_rewrite.h"

namespace emend {

// A file's length and content.
struct FileState {
  std::uint64_t size = 0;
  std::string sha256;
};

FileState file_state(const std::filesystem::path& file);

// A run of bytes of the old file: in the new file at `offset`, or (`kept`) in the undo file.
struct UndoPiece {
  bool kept = false;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

// How one old file is made from the new one and the bytes kept.
struct UndoEntry {
  std::string name;  // of the file, beside which the undo file's model lies
  FileState before, after;
  std::vector<UndoPiece> pieces;  // in the order of the old file
  std::vector<std::byte> kept;
};

// The old file in terms of the new one. States are left empty.
UndoEntry undo_entry(const FileRewrite& rewrite);

// Whole or not at all, as write_safetensors.
void save_undo(const std::filesystem::path& file, const std::vector<UndoEntry>& entries);

// Throws Error(kFormat) naming what is missing or broken: pieces outside their source, names with a path in
// them.
std::vector<UndoEntry> load_undo(const std::filesystem::path& file);

}  // namespace emend
