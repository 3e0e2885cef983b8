// The pages of memories: a scan layer by layer, and one cell.
#pragma once

#include <string>
#include <vector>

#include "emend/memory_index.h"

namespace emend {

// All that the page of a scan shows.
struct ScanPage {
  MemoryIndexHead head;
  std::vector<LayerScan> layers;
  std::string folder;
};
ScanPage scan_page(const MemoryIndex& index);

// Table and curve of the layers, without a frame.
std::string scan_layers_html(const std::vector<LayerScan>& layers);
// What an index was scanned with.
std::string scan_settings_html(const MemoryIndexHead& head);

// Whole documents (reports/page.h).
std::string scan_html(const ScanPage& content);
std::string cell_html(const MemoryRecord& record, const MemoryIndexHead& head);

}  // namespace emend
