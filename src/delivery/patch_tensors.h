// The names of a patch's tensors.
#pragma once

#include <string>

namespace emend::patch_tensors {

// `part` is "A" [n, F] or "B" [D, n]; float32.
inline std::string change(int block, const std::string& part) {
  return "model.layers." + std::to_string(block) + ".mlp_down." + part;
}

// `part` is "keys" [K, F], "answers" [K] or "residual" [D] of fact `index`; float32.
inline std::string fact(std::size_t index, const std::string& part) {
  return "edits." + std::to_string(index) + "." + part;
}

// Lists of token ids, `list` "contexts" or "held_text": all ids one after another, and the length of each
// list; int64.
inline std::string ids(const std::string& list) {
  return list + ".ids";
}
inline std::string lengths(const std::string& list) {
  return list + ".lengths";
}

}  // namespace emend::patch_tensors
