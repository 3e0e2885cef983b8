// The files that lie beside a checkpoint's tensors.
#pragma once

#include <string>
#include <vector>

namespace emend {

// What Model::load and other programs read of a checkpoint's folder beside the tensors, by path inside it.
const std::vector<std::string>& companion_names();

}  // namespace emend
