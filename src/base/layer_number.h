// The check of a layer number.
#pragma once

#include <string>

namespace emend {

// Throws Error(kConfig) naming how many there are, unless 0 <= layer < layers. `where` begins the message:
// "--layer".
void require_layer(const std::string& where, int layer, int layers);

}  // namespace emend
