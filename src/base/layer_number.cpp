#include "base/layer_number.h"

#include "emend/error.h"

namespace emend {

void require_layer(const std::string& where, int layer, int layers) {
  if (layer < 0 || layer >= layers)
    throw Error(ErrorKind::kConfig, where + ": there is no layer " + std::to_string(layer) +
                                        ": the model has " + std::to_string(layers) + " layers, 0 to " +
                                        std::to_string(layers - 1));
}

}  // namespace emend
