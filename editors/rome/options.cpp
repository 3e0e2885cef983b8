#include "editors/rome/options.h"

namespace emend::editors {

namespace {

// In the order of their enums.
const std::vector<std::string> kPresetWords = {"emend", "paper"};
const std::vector<std::string> kKeyWords = {"context+bare", "mean", "original", "prompt"};
const std::vector<std::string> kSearchWords = {"lbfgs", "adam"};
constexpr double kAdamStop = 0.97;
const std::vector<std::string> kObjectiveWords = {"written", "injected"};

}  // namespace

RomeOptionTable::RomeOptionTable(const std::map<std::string, OptionText>& given) {
  // The preset first: whatever else is given overrides it.
  std::map<std::string, OptionText> rest = given;
  if (const auto preset = rest.extract("preset"))
    apply_options("rome", bindings(), {{"preset", preset.mapped()}});
  // A step is Adam's: who gives one and no search means Adam, as patches and edit files of earlier versions
  // do.
  if (rest.count("search") == 0 && (rest.count("step") != 0 || rest.count("absolute_step") != 0))
    value_.search.method = SearchMethod::kAdam;
  apply_options("rome", bindings(), rest);
  if (value_.search.method == SearchMethod::kAdam && rest.count("stop_probability") == 0)
    value_.search.stop_probability = kAdamStop;
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
}

std::vector<OptionBinding> RomeOptionTable::bindings() {
  RomeOptions& rome = value_;
  SearchOptions& search = value_.search;
  const auto set_preset = [this](int choice) {
    published_ = choice == 1;
    value_ = RomeOptions();
    if (published_) use_published();
  };
  return {
      choice_option(
          "preset", kPresetWords, [this] { return published_ ? 1 : 0; }, set_preset,
          "paper: ROME as published (original keys, injected, its constants); other options still override "
          "it"),
      choice_option(
          "keys", kKeyWords, [&rome] { return static_cast<int>(rome.keys); },
          [&rome](int choice) { rome.keys = static_cast<RomeKeys>(choice); },
          "the keys that the update answers to: mean and bare with the sink protected, r-ROME's mean, the "
          "published mix, or the bare prompt alone"),
      choice_option(
          "objective", kObjectiveWords, [&search] { return static_cast<int>(search.objective); },
          [&search](int choice) { search.objective = static_cast<Objective>(choice); },
          "search the loss of the written model, or with the residual injected at one token"),
      flag_option("covariance", rome.covariance,
                  "use the second moment C of the keys; false: C = I, as some tools do"),
      flag_option("protect_sink", rome.protect_sink, "hold the key at position 0 (BOS) exactly where it is"),
      number_option("ridge", rome.relative_ridge, 0, 1, "added to C's diagonal, in units of its mean"),
      integer_option("contexts", rome.contexts, 0, 50, "sampled context rows of each of the two lengths"),
      integer_option("early_contexts", rome.shares.early, 0, 100,
                     "context rows of the search's first steps, until the target is likely there; 0: all"),
      number_option("bare_weight", rome.shares.bare, 0, 1, "share of the bare prompt in the loss"),
      flag_option("uniform_rows", rome.shares.uniform, "all rows weigh the same, whatever bare_weight says"),
      integer_option("steps", search.max_steps, 1, 1000,
                     "most steps of the value search, an evaluation each"),
      choice_option(
          "search", kSearchWords, [&search] { return static_cast<int>(search.method); },
          [&search](int choice) { search.method = static_cast<SearchMethod>(choice); },
          "quasi-Newton steps within a trust radius, or Adam; a `step` given without `search` means Adam"),
      number_option("radius", search.radius, 1e-6, 1000, "lbfgs: its first step in units of ||v0||"),
      number_option("growth", search.growth, 1, 100,
                    "lbfgs: what an accepted full step multiplies the radius by"),
      number_option("step", search.step, 1e-6, 100, "adam: its step in units of ||v0|| / sqrt(d)"),
      number_option("absolute_step", search.absolute_step, 0, 100, "adam: its step as it is; 0: use `step`"),
      number_option("clamp", search.clamp, 1e-3, 1000, "largest ||r|| in units of ||v0||"),
      number_option("kl", search.kl_factor, 0, 1000, "weight of the drift of the subject's own distribution"),
      number_option("decay", search.decay, 0, 1000, "weight of ||r|| / ||v0||^2"),
      number_option("stop_probability", search.stop_probability, 0, 1,
                    "stop when the target's probability passes this; adam: 0.97 unless it is given"),
      number_option("stop_loss", search.stop_loss, 0, 100, "stop below this loss instead; 0: off"),
      flag_option("keep_best", search.keep_best, "keep the best iterate; false: the last"),
      number_option("reach", search.reach, 0, 1,
                    "tokens that the residual can move by less than this share keep cached values"),
      integer_option(
          "gradient_tokens", search.gradient_tokens, 0, 1 << 20,
          "tokens searched in one pass, at most, which sets the memory that a file of many edits takes; 0: "
          "768 on the CPU, 6144 on a GPU"),
  };
}

}  // namespace emend::editors
