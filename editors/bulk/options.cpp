#include "editors/bulk/options.h"

#include "editors/bulk/unused_options.h"
#include "editors/common/search_options.h"

namespace emend::editors {

namespace {

// In the order of their enums.
const std::vector<std::string> kValueWords = {"spread", "replay", "last"};
const std::vector<std::string> kPreserveWords = {"moments", "null-space", "identity"};
const std::vector<std::string> kCarriedWords = {"kept", "anew"};
const std::vector<std::string> kFilterWords = {"none", "norm-anchor", "spectral"};
const std::vector<std::string> kKeyWords = {"context+bare", "group-mean"};
const std::vector<std::string> kScaleWords = {"value", "stream"};

}  // namespace

BulkOptions published_search() {
  BulkOptions paper;
  paper.carry = false;
  paper.keys = BulkKeys::kGroupMean;
  paper.protect_sink = false;
  paper.relative_ridge = 0;
  paper.rounds = 1;
  paper.short_contexts = false;
  paper.shares = {.bare = 0.5, .uniform = true, .early = 0};
  paper.search.objective = Objective::kInjected;
  paper.search.method = SearchMethod::kAdam;
  paper.search.scale = SearchScale::kStream;
  paper.search.max_steps = 25;
  paper.search.absolute_step = 0.5;
  paper.search.clamp = 0.75;
  paper.search.decay = 0.5;
  paper.search.stop_loss = 0.05;
  paper.search.keep_best = false;
  paper.search.end_weight = 0;
  return paper;
}

BulkOptionTable::BulkOptionTable(BulkMethod method, const std::map<std::string, OptionText>& given)
    : BulkOptionTable(std::move(method)) {
  apply_search_options(method_.name, bindings(), given, value_.search);
  BulkOptionTable preset(method_);
  if (published_) preset.value_ = method_.published;
  refuse_unused(value_, given, option_values(bindings()), option_values(preset.bindings()));
}

std::vector<OptionBinding> BulkOptionTable::bindings() {
  std::vector<OptionBinding> all = {preset_option(
      published_, [this] { value_ = published_ ? method_.published : method_.own; },
      "paper: the constants as published; other options still override them")};
  append(all, stage_bindings());
  append(all, solve_bindings());
  append(all, search_bindings());
  return all;
}

std::vector<OptionBinding> BulkOptionTable::stage_bindings() {
  BulkOptions& bulk = value_;
  return {
      word_option("values", kValueWords, bulk.values,
                  "spread: searched at the last layer, each layer writes an equal share of what is missing; "
                  "replay: searched at the first, the others follow its forward pass; last: one layer"),
      word_option("preserve", kPreserveWords, bulk.preserve,
                  "what the update is quiet under: the second moment C, the null space of C, or C = I"),
      flag_option("carry", bulk.carry,
                  "solve the facts of the edit that is on the model already together with the new ones"),
      word_option("carried_keys", kCarriedWords, bulk.carried_keys,
                  "kept: carried facts are solved with the keys that were read when each was written; anew: "
                  "all keys are read on the model as edited so far, and every layer is solved from its "
                  "untouched weight"),
      number_option("carried_probability", bulk.carried_probability, 0, 1,
                    "carried_keys: anew: carried facts whose target is less likely than this are searched "
                    "again in the rounds after the first; 0: none"),
      number_option(
          "carried_clamp", bulk.carried_clamp, 0, 1000,
          "carried_probability: how far such a search may lengthen what a carried fact asks for, in units "
          "of the vector that stands there in the unedited model"),
      word_option("filter", kFilterWords, bulk.filter, "what becomes of a value vector before it is written"),
      number_option("anchor", bulk.anchor, 1e-3, 1000,
                    "norm-anchor: length of a value vector in units of their mean in the unedited model"),
      number_option("filtered_energy", bulk.filtered_energy, 0, 1,
                    "spectral: the leading directions hold this share of the weight's energy"),
      number_option("filter_strength", bulk.filter_strength, 0, 1,
                    "spectral: share of the value vector that is taken away along them"),
      word_option("keys", kKeyWords, bulk.keys,
                  "the keys at which a fact is written: mean behind contexts and bare one, or half of each"),
      flag_option("protect_sink", bulk.protect_sink, "hold the key at position 0 (BOS) where it is"),
      integer_option("rounds", bulk.rounds, 1, 10, "searches, each on the model as the one before left it"),
  };
}

std::vector<OptionBinding> BulkOptionTable::solve_bindings() {
  BulkOptions& bulk = value_;
  return {
      number_option("ridge", bulk.relative_ridge, 0, 1, "added to C's diagonal, in units of its mean"),
      number_option("lambda", bulk.lambda, 0, 1e12,
                    "weight of other text against the facts, as it is (the papers' lambda, w e, or L2); 0: "
                    "use relative_lambda"),
      number_option("relative_lambda", bulk.relative_lambda, 1e-9, 1e6,
                    "the same in units of the mean of k^T C^-1 k (null space: k^T P k) over text"),
      flag_option("exact_alone", bulk.exact_alone, "write a fact that stands alone exactly"),
      number_option("threshold", bulk.threshold, 0, 1e12,
                    "null space: eigenvalues of C below this, as it is; 0: use kept_directions"),
      number_option("kept_directions", bulk.kept_directions, 1e-6, 1,
                    "null space: the share of all directions that it has"),
  };
}

std::vector<OptionBinding> BulkOptionTable::search_bindings() {
  BulkOptions& bulk = value_;
  SearchOptions& search = value_.search;
  std::vector<OptionBinding> all = {
      integer_option("contexts", bulk.contexts, 0, 50, "sampled context rows of each length"),
      flag_option("short_contexts", bulk.short_contexts, "contexts of 4 tokens beside those of 9"),
  };
  append(all, row_options(bulk.shares));
  append(all, descent_options(search));
  all.push_back(word_option(
      "scale", kScaleWords, search.scale,
      "v0 is the value at the lookup token, or the residual stream behind the block (the papers)"));
  append(all, loss_options(search, "stop when the target's probability passes this"));
  append(all, end_options(search));
  all.push_back(gradient_tokens_option(search));
  return all;
}

}  // namespace emend::editors
