// Layer numbers: their check, and lists of them in messages.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace emend {

// Throws Error(kConfig) naming how many there are, unless 0 <= layer < layers. `where` begins the message:
// "--layer".
void require_layer(const std::string& where, int layer, int layers);

// "layer 4", "layers 3, 4".
std::string layer_names(const std::vector<int>& layers);

// What is said of each layer: the text alone if it is the same for all, else with the layers that it is said
// of, "layer 2: text: 1 file; layers 3, 4: self, seed 0".
std::string text_by_layer(const std::map<int, std::string>& texts);

}  // namespace emend
