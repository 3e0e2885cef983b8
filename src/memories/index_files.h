// The files of an index of memories and what its head says (docs/formats.md). A scan writes them, the reader
// and merging read them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/memory_index.h"
#include "memories/layer_state.h"

namespace emend {

std::filesystem::path index_head_file(const std::filesystem::path& folder);  // index.json, written last
std::filesystem::path index_text_file(const std::filesystem::path& folder);  // text.safetensors
std::filesystem::path index_layer_file(const std::filesystem::path& folder, int layer);
std::filesystem::path scan_checkpoint_file(const std::filesystem::path& folder, int shard, int shards);
std::filesystem::path scan_part_file(const std::filesystem::path& folder, int shard, int shards);
// The head of an index that is there. Throws Error(kIo) where there is no such folder, Error(kConfig) for a
// folder without an index, which say what makes one.
std::filesystem::path require_index(const std::filesystem::path& folder);
// The parts or checkpoints that a folder holds, sorted.
std::vector<std::filesystem::path> find_scan_parts(const std::filesystem::path& folder);
std::vector<std::filesystem::path> find_scan_checkpoints(const std::filesystem::path& folder);

// The head, and what a scan knows of its layers, as the file has it.
struct IndexHead {
  MemoryIndexHead head;
  std::vector<LayerScan> layers;
};
ResultJson head_json(const IndexHead& head);
// Throws Error(kFormat) naming file and key.
IndexHead read_head(const std::filesystem::path& file);
// The same from text, whose origin is told in errors.
IndexHead parse_head(const std::string& text, const std::string& source);

// How the settings of a scan of text that the model wrote begin, and whether an index is of such text.
inline constexpr const char* kOwnTextRows = "own text, ";
bool is_of_own_text(const MemoryIndexHead& head);

// One finished layer: its state, and the lengths of the values [cells].
struct FinishedLayer {
  int layer = 0;
  const LayerState* state = nullptr;
  std::vector<float> value_norms;
};
// Cells that are dead (MemoryRecord::dead).
std::vector<bool> dead_cells(const FinishedLayer& layer);
LayerScan summarize_layer(const FinishedLayer& layer);
// Writes the whole file or nothing; returns its path. `fingerprint` is that of the scan.
std::filesystem::path write_index_layer(const std::filesystem::path& folder, const FinishedLayer& layer,
                                        const std::string& fingerprint);

// Shape of the states of an index.
StateShape shape_of(const MemoryIndexHead& head);

}  // namespace emend
