#include <cmath>

#include "emend/editor.h"

namespace emend {

int default_layer(const ModelConfig& config) {
  constexpr double kDepth = 0.25;  // docs/rome.md, the table of layers
  return static_cast<int>(std::lround(kDepth * (config.layers - 1)));
}

}  // namespace emend
