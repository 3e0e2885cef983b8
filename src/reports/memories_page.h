// One page over all that is known of a model's memories: layers, curves of the analyses, and cells with a
// search inside the page.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "emend/memory_index.h"

namespace emend {

struct MemoriesPageOptions {
  int cells = 20;    // of each layer, those with the largest contributions; 0: all
  int examples = 5;  // of each end of a cell
  // Results of emend memories values, aggregate and patterns as JSON: their curves and tables are shown.
  std::vector<std::filesystem::path> results = {};
};

struct MemoriesPage {
  std::string html;
  std::int64_t cells = 0;            // that are on it
  std::vector<std::string> results;  // "values", "aggregate", "patterns": what was shown
};

// The page holds its own index and a script of a few lines; it needs no network, and without scripts all but
// the search works. Throws Error: kFormat naming a file that is no such result, kModel for one of another
// model.
MemoriesPage memories_page(const MemoryIndex& index, const MemoriesPageOptions& options);

}  // namespace emend
