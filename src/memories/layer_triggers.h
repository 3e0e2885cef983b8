// The trigger examples of a scan as the tokens that values are compared with.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "emend/memory_index.h"
#include "memories/value_agreement.h"

namespace emend {

// Throws as MemoryIndex does for a folder that holds no finished index.
class LayerTriggers {
 public:
  explicit LayerTriggers(const std::filesystem::path& folder);
  ~LayerTriggers();

  const MemoryIndex& index() const { return index_; }
  // Of all cells of a layer that was scanned.
  std::vector<CellTriggers> read(int layer) const;
  // Ends of the texts of a cell's strongest examples at one end, best first.
  std::vector<std::string> texts(MemoryId cell, bool high, std::size_t count) const;

 private:
  struct State;
  MemoryIndex index_;
  std::unique_ptr<State> state_;
};

}  // namespace emend
