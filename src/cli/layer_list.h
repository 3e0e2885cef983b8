// Layers as the command line names them.
#pragma once

#include <string>
#include <vector>

#include "base/layer_number.h"

namespace emend {

// "all", or numbers and ranges with both ends: "0,3,5-7". Sorted, each once. Throws Error(kUsage) for other
// forms, and Error(kConfig) for a layer that a model of `layers` layers does not have; both name the option.
std::vector<int> parse_layers(const std::string& text, int layers, const std::string& option = "--layers");

}  // namespace emend
