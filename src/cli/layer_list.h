// Layers as the command line names them.
#pragma once

#include <string>
#include <vector>

namespace emend {

// "all", or numbers and ranges with both ends: "0,3,5-7". Sorted, each once. Throws Error(kUsage) for other
// forms, and Error(kConfig) for a layer that a model of `layers` layers has not.
std::vector<int> parse_layers(const std::string& text, int layers);

// Throws Error(kConfig) naming how many there are, unless 0 <= layer < layers. `where` begins the message:
// "--layer".
void require_layer(const std::string& where, int layer, int layers);

}  // namespace emend
