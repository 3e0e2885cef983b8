// held_text.safetensors of a statistics folder: of each collection that the folder's layers come from, which
// documents it summed and which text it left out (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "analysis/text_file.h"

namespace emend {

struct Collection {
  std::string fingerprint;
  VisitedText text;
};

std::filesystem::path held_text_file(const std::filesystem::path& folder);

// The collections of a folder, in ascending order of their fingerprints. Throws Error(kFormat) if the file is
// broken or an id is not below `vocab`. The fingerprint of an older file may be empty.
std::vector<Collection> read_held_text(const std::filesystem::path& folder, std::int64_t vocab);

// The same for any vocabulary; nothing if there is no such file or it cannot be read.
std::vector<Collection> find_held_text(const std::filesystem::path& folder);

// Adds the collections that `layers` come from, whose files are written before or after. A collection that no
// other layer file of the folder comes from goes away.
void write_held_text(const std::filesystem::path& folder, const std::vector<Collection>& made,
                     const std::vector<int>& layers);

// All documents that the texts visited, and those rows that one held back and no other one visited, each
// once: what a run over all of them would have summed and held back.
VisitedText text_of_all(const std::vector<const VisitedText*>& texts);

}  // namespace emend
