// The names of a patch's tensors.
#pragma once

#include <string>

#include "emend/model.h"

namespace emend::patch_tensors {

// "model.layers.4.mlp_down", or "model.layers.4.experts.2.mlp_down".
std::string weight(const WeightRef& weight);
// The weight of such a name; throws std::invalid_argument for any other text.
WeightRef parse_weight(const std::string& name);

// `part` is "A" [n, in] and "B" [out, n], or "D" [out, in]: the change; and, of the facts that it was solved
// for, one after the other, "keys" [sum of K, in], "answers" [sum of K] and "residuals" [facts, out].
// float32.
inline std::string of(const WeightRef& ref, const std::string& part) {
  return weight(ref) + "." + part;
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
