// What people or programs called the cells of an index: a file of labels beside it (docs/formats.md, "Index
// of memories").
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "emend/memory_id.h"

namespace emend {

// The labels of each cell that has any, each text once, in the order in which they came.
using CellLabels = std::map<MemoryId, std::vector<std::string>>;

// INDEX/labels.json: {"L12D771": ["months of the year", ...]}. Returns an empty map if there is no such
// file. Throws Error(kFormat) naming file and key for a broken one.
CellLabels read_labels(const std::filesystem::path& index);

struct LabelImport {
  std::int64_t read = 0;   // explanations that were found in the files
  std::int64_t added = 0;  // those of them that were new
  std::int64_t cells = 0;  // that have a label now
  std::filesystem::path output;
};

// Adds the labels of these files to those of an index:
//   .json   {"L12D771": "text" or ["text", ...]}
//   .jsonl  explanations of Neuronpedia: one object a line with "layer" ("12-mlp...", "12" or 12),
//           "index" and "description"; also as .jsonl.gz. Lines that export_memories wrote may have any set
//           behind the layer
//   .txt    an explanation of delphi: the file's name ends in layers.12..._latent771.txt, its content is the
//           text, or the text as a JSON string
// Throws Error: kUsage (no file; another ending), kFormat naming file and line or key, kConfig for a cell
// that the index does not have; nothing is written then.
LabelImport import_labels(const std::filesystem::path& index,
                          const std::vector<std::filesystem::path>& files);

}  // namespace emend
