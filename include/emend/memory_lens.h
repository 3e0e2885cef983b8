// How a vector of the stream becomes a ranking of tokens.
#pragma once

#include <filesystem>
#include <string>

namespace emend {

// Names: E the output embedding [V, D], N_f the final norm with gain gamma_f, C subtract-the-mean for a
// LayerNorm and nothing for an RMSNorm.
enum class LensKind {
  kRaw,     // E h: Geva et al. 2021. Exact where a model has no final norm
  kLinear,  // E (gamma_f * C h): no bias and no division, so that sums of vectors are sums of logits. For
            // values and all other directions
  kHead,  // E N_f(h) + head bias, multiplier and soft cap: the logit lens. For states of the stream wherever
          // a probability is meant, never for bare values, which are too short for its norm
  kMap,  // kLinear behind a matrix of the user for each layer, E (gamma_f * C (M_l h)): tuned lenses (Belrose
         // et al. 2023, arXiv 2303.08112: M = I + A) and Jacobian lenses
};

struct LensOptions {
  LensKind kind = LensKind::kLinear;
  // kMap: a safetensors file with one matrix [D, D] a layer. The number in a tensor's name is its layer:
  // "map.12", "layers.12.weight".
  std::filesystem::path map = {};
  // Special tokens never come up. Rows beyond the tokenizer's ids never do, in any case.
  bool mask_special = false;
};

// "raw", "lin", "head", "map:FILE".
std::string to_string(const LensOptions& lens);
// The reverse. Throws Error(kUsage) that lists the forms.
LensOptions parse_lens(const std::string& text);

}  // namespace emend
