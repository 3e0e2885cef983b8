// ROME's options: the struct, and the table that gives each its name, range and help.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/context_texts.h"
#include "editors/common/options.h"
#include "editors/common/search_unit.h"
#include "editors/common/target_rows.h"
#include "emend/records.h"

namespace emend::editors {

// Which keys the response a is held to.
enum class RomeKeys {
  kContextAndBare,  // [mean key over context rows, bare key, sink key], y = [1, 1, 0]
  kMean,            // r-ROME: the mean over all rows alone
  kOriginal,        // the published program: direction from the mean, scale from the bare key
  kPrompt,          // p-ROME: the bare key alone
};

struct RomeOptions {
  RomeKeys keys = RomeKeys::kContextAndBare;
  // a answers 0 at the BOS key (without BOS: at the mean position-0 key of other text).
  bool protect_sink = true;
  // |a^T k| at a protected key of another subject may be this much; 0: it gets nothing. Above 0 fewer keys
  // have to be held, with less norm and drift, and more bleed where the target is likely there
  // (docs/bleed.md). 1: bounded by the rise alone.
  double protected_share = 1;
  // Below 1: and no more than makes the target likelier there by this, as measured on the edited model
  // (protection_by_need.h).
  double protected_rise = 0.01;
  bool covariance = true;           // false: C = I, as some tools do; neighbours move more
  double relative_ridge = 1e-5;     // added to C, in units of trace(C) / F
  int contexts = kDefaultContexts;  // sampled texts of each length (4 and 9 tokens); 0: the bare row alone
  // The rows of the search; `early` context rows until the target is likely there.
  RowShares shares = {.bare = 0.3, .uniform = false, .early = 4};
  // L-BFGS aims at the probability that ends it, so it is asked for more than Adam, which passes it by.
  SearchOptions search = {.stop_probability = 0.99};
};

// The options and the table that binds their names. Not copied: the table refers to the struct beside it.
class RomeOptionTable {
 public:
  RomeOptionTable() = default;
  // Throws Error(kConfig) for unknown options and bad values, with the option's place.
  explicit RomeOptionTable(const std::map<std::string, OptionText>& given);
  RomeOptionTable(const RomeOptionTable&) = delete;
  RomeOptionTable& operator=(const RomeOptionTable&) = delete;

  const RomeOptions& value() const { return value_; }
  std::vector<OptionBinding> bindings();

 private:
  void use_published();
  std::vector<OptionBinding> own_bindings();

  RomeOptions value_;
  bool published_ = false;  // preset: paper
};

}  // namespace emend::editors
