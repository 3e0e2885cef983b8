// Which feed-forward cells an edit moves. An edit W += B A of a down projection moves the value of cell i by
// column i of B A: a rank-one edit moves all values along one direction, by A_i. Keys stay, so the triggers
// of the edited layer stay, too; those of later layers may change.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "emend/edit.h"
#include "emend/memory_id.h"
#include "emend/memory_lens.h"
#include "emend/model.h"

namespace emend {

struct FootprintOptions {
  int cells = 20;  // moved cells listed for each weight, 1 to 10,000
  int top = 5;     // tokens of a value listed before and after, 1 to 100
  LensOptions lens = {};
  // Index of a scan (emend/memory_scan.h) of the model, for trigger examples of the cells that are listed;
  // empty: none.
  std::filesystem::path index = {};
};

struct MovedCell {
  MemoryId cell;
  double moved = 0;     // length of the change of its value, as the down projection produces it
  double relative = 0;  // over the length of the value before
  double share = 0;     // of the squared length of the whole change
  double cosine = 0;    // between the value before and after
  std::vector<std::string> before = {}, after = {};  // first tokens of the value; none of one that is zero
  // From the index, where its layer was scanned: ends of the texts of the three strongest examples at the end
  // with the larger |coefficient|, and whether that is the high one.
  std::vector<std::string> triggers = {};
  bool high = true;
};

struct LayerFootprint {
  int layer = 0;
  double norm = 0;           // Frobenius norm of the change
  double relative_norm = 0;  // over that of the weight
  std::int64_t cells = 0;
  // Share of the squared change in the 1, 10, 100, 1,000 most moved cells, as far as there are so many.
  std::vector<std::pair<std::int64_t, double>> concentration;
  std::int64_t cells_of_90 = 0;  // the smallest number of cells that hold 90 % of it
  // Cells whose value has another first token afterwards, of all; values that are or become zero have none.
  std::int64_t changed_favourites = 0;
  std::vector<MovedCell> moved;  // by falling `moved`, ties by index; cells that stay as they are left out
};

// One entry for each changed weight, by layer; of several changes of one weight their sum. The model stays as
// it is. Throws Error: kUsage (an option out of range), kModel (a change that does not fit the model, an
// index of another model), and as MemoryIndex does.
std::vector<LayerFootprint> measure_footprint(const Model& model, const std::vector<WeightChange>& changes,
                                              const FootprintOptions& options);

}  // namespace emend
