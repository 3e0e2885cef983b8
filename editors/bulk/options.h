// The options of bulk editors: three stages, and one table of names for all methods.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analysis/context_texts.h"
#include "editors/common/options.h"
#include "editors/common/search_unit.h"
#include "editors/common/target_rows.h"
#include "emend/records.h"

namespace emend::editors {

// Where the searched value comes from, and how it is shared by the layers.
enum class ValueStage {
  kSpread,  // searched at the last layer; each layer writes an equal share of what is still missing (MEMIT)
  kReplay,  // searched at the first layer; the others write what the forward pass of that asks of them
  kLast,    // searched at the last layer and written there alone
};

// What an update is to leave alone.
enum class PreserveStage {
  kMoments,    // other text by its second moment C
  kNullSpace,  // other text by writing only where C is small (AlphaEdit)
  kIdentity,   // no text in particular: C = I
};

// What becomes of a value vector before it is written.
enum class FilterStage {
  kNone,
  kNormAnchor,  // scaled to the mean length that such vectors have in the unedited model
  kSpectral,    // weakened along the leading left singular directions of the unedited weight
};

// The keys that carried facts are solved with.
enum class CarriedKeys {
  kKept,  // those that were read when each was written
  kAnew,  // read on the model as it is edited so far; all layers are then solved from the untouched weights
};

// The keys at which a fact is written.
enum class BulkKeys {
  kContextAndBare,  // the mean key behind the contexts and the bare prompt's, both
  kGroupMean,       // half of one and half of the other as one key (the papers)
};

struct BulkOptions {
  ValueStage values = ValueStage::kSpread;
  PreserveStage preserve = PreserveStage::kMoments;
  bool carry = true;  // facts of earlier edits are solved again together with the new ones
  CarriedKeys carried_keys = CarriedKeys::kKept;
  // carried_keys kAnew: carried facts whose target is less likely than this are searched again in the rounds
  // after the first; 0: none is.
  double carried_probability = 0;
  // Such a search lengthens what the fact asks for to no more than this many times the length of the vector
  // that stands there in the unedited model.
  double carried_clamp = 1;
  FilterStage filter = FilterStage::kNone;
  double anchor = 1;             // length of a filtered vector in units of that mean
  double filtered_energy = 0.5;  // the leading directions hold this share of the weight's energy
  double filter_strength = 0.5;  // 1: nothing is left along them

  BulkKeys keys = BulkKeys::kContextAndBare;
  bool protect_sink = true;
  double relative_ridge = 1e-5;  // added to C, in units of trace(C) / F
  // lambda of Delta = R (lambda I + K^T M K)^-1 K^T M: as it is, if it is above 0; else relative_lambda in
  // units of the mean of k^T M k over the text of C, which is F for M = C^-1 and tr(P C P) in the null space.
  double lambda = 0;
  double relative_lambda = 0.2;
  bool exact_alone = false;  // a single fact is written exactly, whatever lambda says (EMMET)
  // The null space is below `threshold` as it is, if that is above 0; else it is the share `kept_directions`
  // of all directions.
  double threshold = 0;
  double kept_directions = 0.8;

  int rounds = 1;  // searches; each one on the model as the one before left it
  int contexts = kBulkContexts;
  bool short_contexts = true;  // also contexts of 4 tokens beside those of 9
  RowShares shares = {.bare = 0.3, .uniform = false, .early = 4};
  SearchOptions search = {.method = SearchMethod::kAdam};
};

// One method of this kind: nothing but options.
struct BulkMethod {
  std::string name, help;
  BulkOptions own;        // preset: emend
  BulkOptions published;  // preset: paper
};

// The constants of Meng et al. 2023 that the published methods have in common.
BulkOptions published_search();

// The options and the table that binds their names. Not copied: the table refers to the struct beside it.
class BulkOptionTable {
 public:
  explicit BulkOptionTable(BulkMethod method) : method_(std::move(method)), value_(method_.own) {}
  // Throws Error(kConfig) for unknown options and bad values, with the option's place.
  BulkOptionTable(BulkMethod method, const std::map<std::string, OptionText>& given);
  BulkOptionTable(const BulkOptionTable&) = delete;
  BulkOptionTable& operator=(const BulkOptionTable&) = delete;

  const BulkMethod& method() const { return method_; }
  const BulkOptions& value() const { return value_; }
  std::vector<OptionBinding> bindings();

 private:
  std::vector<OptionBinding> stage_bindings();
  std::vector<OptionBinding> solve_bindings();
  std::vector<OptionBinding> search_bindings();

  BulkMethod method_;
  BulkOptions value_;
  bool published_ = false;  // preset: paper
};

}  // namespace emend::editors
