// Which cells an edit moves (emend/memory_footprint.h): on a terminal, as JSON, as a page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"
#include "emend/memory_footprint.h"

namespace emend {

// `patches`: what the edit was called, for titles.
struct FootprintReport {
  std::vector<std::string> patches;
  std::vector<LayerFootprint> layers;
};

std::string footprint_text(const FootprintReport& report, std::size_t columns);
ResultJson footprint_json(const FootprintReport& report, const Model& model);
std::string footprint_page(const FootprintReport& report, const Model& model);

}  // namespace emend
