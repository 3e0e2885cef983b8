#include "editors/bulk/options.h"

#include <algorithm>
#include <iterator>

namespace emend::editors {

namespace {

// In the order of their enums.
const std::vector<std::string> kPresetWords = {"emend", "paper"};
const std::vector<std::string> kValueWords = {"spread", "replay", "last"};
const std::vector<std::string> kPreserveWords = {"moments", "null-space", "identity"};
const std::vector<std::string> kCarriedWords = {"kept", "anew"};
const std::vector<std::string> kFilterWords = {"none", "norm-anchor", "spectral"};
const std::vector<std::string> kKeyWords = {"context+bare", "group-mean"};
const std::vector<std::string> kSearchWords = {"lbfgs", "adam"};

template <typename Enum>
OptionBinding word_option(const std::string& name, const std::vector<std::string>& words, Enum& field,
                          const std::string& help) {
  return choice_option(
      name, words, [&field] { return static_cast<int>(field); },
      [&field](int choice) { field = static_cast<Enum>(choice); }, help);
}

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
  return paper;
}

BulkOptionTable::BulkOptionTable(BulkMethod method, const std::map<std::string, OptionText>& given)
    : BulkOptionTable(std::move(method)) {
  // The preset first: whatever else is given overrides it.
  std::map<std::string, OptionText> rest = given;
  if (const auto preset = rest.extract("preset"))
    apply_options(method_.name, bindings(), {{"preset", preset.mapped()}});
  apply_options(method_.name, bindings(), rest);
}

std::vector<OptionBinding> BulkOptionTable::bindings() {
  std::vector<OptionBinding> all = {choice_option(
      "preset", kPresetWords, [this] { return published_ ? 1 : 0; },
      [this](int choice) {
        published_ = choice == 1;
        value_ = published_ ? method_.published : method_.own;
      },
      "paper: the constants as published; other options still override them")};
  for (std::vector<OptionBinding> some : {stage_bindings(), solve_bindings(), search_bindings()})
    std::move(some.begin(), some.end(), std::back_inserter(all));
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
  return {
      integer_option("contexts", bulk.contexts, 0, 50, "sampled context rows of each length"),
      flag_option("short_contexts", bulk.short_contexts, "contexts of 4 tokens beside those of 9"),
      integer_option("early_contexts", bulk.shares.early, 0, 100,
                     "context rows of the search's first steps, until the target is likely there; 0: all"),
      number_option("bare_weight", bulk.shares.bare, 0, 1, "share of the bare prompt in the loss"),
      flag_option("uniform_rows", bulk.shares.uniform, "all rows weigh the same, whatever bare_weight says"),
      integer_option("steps", search.max_steps, 1, 1000, "most gradient steps of the value search"),
      word_option("search", kSearchWords, search.method, "quasi-Newton steps within a trust radius, or Adam"),
      number_option("radius", search.radius, 1e-6, 1000, "lbfgs: its first step in units of ||v0||"),
      number_option("growth", search.growth, 1, 100,
                    "lbfgs: what an accepted full step multiplies the radius by"),
      number_option("step", search.step, 1e-6, 100, "adam: its step in units of ||v0|| / sqrt(d)"),
      number_option("absolute_step", search.absolute_step, 0, 100, "adam: its step as it is; 0: use `step`"),
      word_option(
          "scale", {"value", "stream"}, search.scale,
          "v0 is the value at the lookup token, or the residual stream behind the block (the papers)"),
      number_option("clamp", search.clamp, 1e-3, 1000, "largest ||r|| in units of ||v0||"),
      number_option("kl", search.kl_factor, 0, 1000, "weight of the drift of the subject's own distribution"),
      number_option("decay", search.decay, 0, 1000, "weight of ||r|| / ||v0||^2"),
      number_option("stop_probability", search.stop_probability, 0, 1,
                    "stop when the target's probability passes this"),
      number_option("stop_loss", search.stop_loss, 0, 100, "stop below this loss instead; 0: off"),
      flag_option("keep_best", search.keep_best, "keep the best iterate; false: the last"),
      integer_option(
          "gradient_tokens", search.gradient_tokens, 0, 1 << 20,
          "tokens searched in one pass, at most, which sets the memory that a file of many edits takes; 0: "
          "768 on the CPU, 6144 on a GPU"),
  };
}

}  // namespace emend::editors
