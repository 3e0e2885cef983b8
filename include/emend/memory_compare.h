// Two checkpoints of one shape cell by cell: two training steps, a base and a model derived from it, or a
// model before and after an edit.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "emend/memory_id.h"
#include "emend/memory_lens.h"
#include "emend/model.h"
#include "emend/progress.h"

namespace emend {

struct CompareOptions {
  std::vector<int> layers = {};  // empty: all
  int cells = 20;                // cells listed, those that differ most, 1 to 10,000
  int top = 5;                   // tokens of a value listed, 1 to 100
  LensOptions lens = {};         // each model under its own, any but kHead
  // Scans of the two over one text: their trigger lists are compared. Both or neither.
  std::filesystem::path index_a = {}, index_b = {};
};

struct ComparedCell {
  MemoryId cell;
  double key_cosine = 1;  // of the key; of a gated cell the up vector
  std::optional<double> gate_cosine = {};
  double value_cosine = 1;
  double value_moved = 0;               // |v_b - v_a| / |v_a|
  std::optional<double> triggers = {};  // Jaccard of the trigger examples at both ends, by place in the text
  std::vector<std::string> before = {}, after = {};  // first tokens of the value in a and in b
};

struct LayerComparison {
  int layer = 0;
  std::int64_t cells = 0, identical = 0;  // cells whose key, gate and value have equal numbers
  std::array<double, 3> key_cosine = {}, value_cosine = {};  // quartiles
  double least_key_cosine = 1, least_value_cosine = 1;
  double changed_favourites = 0;        // share of cells whose value has another first token
  std::optional<double> triggers = {};  // mean Jaccard
};

struct CompareOutcome {
  std::vector<LayerComparison> layers;
  std::vector<ComparedCell> cells;  // by falling value_moved, then rising key cosine, then address
};

// Throws Error: kUsage (an option out of range, one index alone), kModel (other sizes, another vocabulary; an
// index of another model), kConfig (a layer out of range, indexes over different texts), kIo, kFormat.
CompareOutcome compare_memories(const Model& a, const Model& b, const CompareOptions& options,
                                Progress& progress = no_progress());

}  // namespace emend
