#include "editors/rome/options.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "editors/common/search_options.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

// In the order of their enums.
const std::vector<std::string> kKeyWords = {"context+bare", "mean", "original", "prompt"};
const std::vector<std::string> kObjectiveWords = {"written", "injected"};

constexpr double kAdamStop = 0.97;

// A share of 0 holds every key exactly, whatever the target would do there.
void refuse_idle_rise(const std::map<std::string, OptionText>& given, const RomeOptions& rome) {
  const auto rise = given.find("protected_rise");
  if (rise == given.end() || rome.protected_rise >= 1 || rome.protected_share > 0) return;
  throw Error(ErrorKind::kConfig,
              fmt::format("{}: option {} does nothing beside `protected_share: 0`, which holds every "
                          "protected key at 0; give `protected_share` too (1: bounded by the rise alone)",
                          rise->second.where, quote(rise->first)));
}

}  // namespace

RomeOptionTable::RomeOptionTable(const std::map<std::string, OptionText>& given) {
  apply_search_options("rome", bindings(), given, value_.search);
  if (value_.search.method == SearchMethod::kAdam && !given.contains("stop_probability"))
    value_.search.stop_probability = kAdamStop;
  refuse_idle_rise(given, value_);
}

// Meng et al. 2022 as their program has it.
void RomeOptionTable::use_published() {
  value_.keys = RomeKeys::kOriginal;
  value_.protect_sink = false;
  value_.shares.uniform = true;
  value_.shares.early = 0;
  value_.relative_ridge = 0;
  value_.search.objective = Objective::kInjected;
  value_.search.method = SearchMethod::kAdam;
  value_.search.max_steps = 19;
  value_.search.clamp = 4;
  value_.search.absolute_step = 0.5;
  value_.search.decay = 0.5;
  value_.search.stop_loss = 0.05;
  value_.search.keep_best = false;
  value_.search.end_weight = 0;
}

std::vector<OptionBinding> RomeOptionTable::bindings() {
  SearchOptions& search = value_.search;
  std::vector<OptionBinding> all = own_bindings();
  append(all, row_options(value_.shares));
  append(all, descent_options(search));
  append(all, loss_options(search,
                           "stop when the target's probability passes this; adam: 0.97 unless it is given"));
  all.push_back(
      number_option("reach", search.reach, 0, 1,
                    "tokens that the residual can move by less than this share keep cached values"));
  append(all, end_options(search));
  all.push_back(gradient_tokens_option(search));
  return all;
}

std::vector<OptionBinding> RomeOptionTable::own_bindings() {
  RomeOptions& rome = value_;
  const auto use_preset = [this] {
    value_ = RomeOptions();
    if (published_) use_published();
  };
  return {
      preset_option(
          published_, use_preset,
          "paper: ROME as published (original keys, injected, its constants); other options still override "
          "it"),
      word_option(
          "keys", kKeyWords, rome.keys,
          "the keys that the update answers to: mean and bare with the sink protected, r-ROME's mean, "
          "the published mix, or the bare prompt alone"),
      word_option("objective", kObjectiveWords, rome.search.objective,
                  "search the loss of the written model, or with the residual injected at one token"),
      flag_option("covariance", rome.covariance,
                  "use the second moment C of the keys; false: C = I, as some tools do"),
      flag_option("protect_sink", rome.protect_sink, "hold the key at position 0 (BOS) exactly where it is"),
      number_option(
          "protected_share", rome.protected_share, 0, 1,
          "what a protected key of another subject may get of the residual, as a share; 0: nothing"),
      number_option("protected_rise", rome.protected_rise, 0, 1,
                    "with protected_share: by how much the target may get likelier there, as measured on the "
                    "edited model; 1: no such bound"),
      number_option("ridge", rome.relative_ridge, 0, 1, "added to C's diagonal, in units of its mean"),
      integer_option("contexts", rome.contexts, 0, 50, "sampled context rows of each of the two lengths"),
  };
}

}  // namespace emend::editors
