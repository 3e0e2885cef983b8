#include "base/layer_number.h"

#include <fmt/format.h>

#include "emend/error.h"

namespace emend {

void require_layer(const std::string& where, int layer, int layers) {
  if (layer < 0 || layer >= layers)
    throw Error(ErrorKind::kConfig, fmt::format("{}: there is no layer {}: the model has {} layers, 0 to {}",
                                                where, layer, layers, layers - 1));
}

}  // namespace emend
