// ROME (Meng et al. 2022, Locating and Editing Factual Associations in GPT), with the repairs of Gupta et al. 2024 (r-ROME)
// and Yang et al. 2024, and a search on the loss of the model as it will be written. docs/rome.md has the derivation and the
// measurements behind every default.
//
//   Delta = r aT,   a = C^-1 K (KT C^-1 K)^-1 y,   r = argmin loss(W + r aT)
#pragma once

#include <memory>

#include "editors/common/value_search.h"
#include "emend/editor.h"

namespace emend {

// Which keys the response a is held to.
enum class RomeKeys {
  kContextAndBare,  // [mean key over context rows, bare key, sink key], y = [1, 1, 0]
  kMean,            // r-ROME: the mean over all rows alone
  kOriginal,        // the published program: direction from the mean, scale from the bare key
  kPrompt,          // p-ROME: the bare key alone
};

struct RomeOptions {
  RomeKeys keys = RomeKeys::kContextAndBare;
  bool protect_sink = true;      // a answers 0 at the BOS key (without BOS: at the mean position-0 key of other text)
  bool covariance = true;        // false: C = I, as some tools do; neighbours move more
  double relative_ridge = 1e-5;  // added to C, in units of trace(C) / F
  int contexts = 10;             // sampled texts of each length (4 and 9 tokens); 0: the bare row alone
  bool uniform_rows = false;     // the papers' weights: every row the same
  double bare_weight = 0.3;      // share of the bare prompt in the loss; the context rows share the rest
  SearchOptions search;
};

EditorHelp rome_help();

// Throws Error(kConfig) for unknown options and bad values, with the option's place.
std::unique_ptr<Editor> make_rome(const std::map<std::string, OptionText>& options);

}  // namespace emend
