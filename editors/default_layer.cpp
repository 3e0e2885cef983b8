#include <algorithm>
#include <cmath>

#include "emend/editor.h"

namespace emend {

int default_layer(const ModelConfig& config) {
  // docs/rome.md, the table of layers: 2 of 8 to 10 blocks, 4 of 30.
  return static_cast<int>(std::min(1 + std::lround(config.layers / 10.0), config.layers - 1L));
}

}  // namespace emend
