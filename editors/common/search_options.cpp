#include "editors/common/search_options.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

// In the order of the enum.
const std::vector<std::string> kSearchWords = {"lbfgs", "adam"};

// What each search says of its steps, in the order of the enum.
const std::vector<std::string> kStepWords = {"steps follow `radius` and `growth`",
                                             "steps are `step` or `absolute_step`"};

// Throws if option `name` was given a value of its own although it belongs to the search that was not chosen.
void refuse_idle_step(const std::map<std::string, OptionText>& given, const std::string& name, bool changed,
                      SearchMethod chosen) {
  const auto step = given.find(name);
  if (step == given.end() || !changed) return;
  const auto here = static_cast<std::size_t>(chosen), other = 1 - here;
  throw Error(ErrorKind::kConfig,
              fmt::format("{}: option {} belongs to the steps of `search: {}` and does nothing beside "
                          "`search: {}`, whose {}; leave out one of the two options",
                          step->second.where, quote(name), kSearchWords[other], kSearchWords[here],
                          kStepWords[here]));
}

}  // namespace

std::vector<OptionBinding> row_options(RowShares& shares) {
  return {
      integer_option("early_contexts", shares.early, 0, 100,
                     "context rows of the search's first steps, until the target is likely there; 0: all"),
      number_option("bare_weight", shares.bare, 0, 1, "share of the bare prompt in the loss"),
      flag_option("uniform_rows", shares.uniform, "all rows weigh the same, whatever bare_weight says"),
  };
}

std::vector<OptionBinding> descent_options(SearchOptions& search) {
  return {
      integer_option("steps", search.max_steps, 1, 1000,
                     "most steps of the value search, an evaluation each"),
      word_option(
          "search", kSearchWords, search.method,
          "quasi-Newton steps within a trust radius, or Adam; a `step` given without `search` means Adam"),
      number_option("radius", search.radius, 1e-6, 1000, "lbfgs: its first step in units of ||v0||"),
      number_option("growth", search.growth, 1, 100,
                    "lbfgs: what an accepted full step multiplies the radius by"),
      number_option("step", search.step, 1e-6, 100, "adam: its step in units of ||v0|| / sqrt(d)"),
      number_option("absolute_step", search.absolute_step, 0, 100, "adam: its step as it is; 0: use `step`"),
  };
}

std::vector<OptionBinding> loss_options(SearchOptions& search, const std::string& stop_help) {
  return {
      number_option("clamp", search.clamp, 1e-3, 1000, "largest ||r|| in units of ||v0||"),
      number_option("kl", search.kl_factor, 0, 1000, "weight of the drift of the subject's own distribution"),
      number_option("decay", search.decay, 0, 1000, "weight of ||r|| / ||v0||^2"),
      number_option("stop_probability", search.stop_probability, 0, 1, stop_help),
      number_option("stop_loss", search.stop_loss, 0, 100, "stop below this loss instead; 0: off"),
      flag_option("keep_best", search.keep_best, "keep the best iterate; false: the last"),
  };
}

std::vector<OptionBinding> end_options(SearchOptions& search) {
  return {
      number_option("end_weight", search.end_weight, 0, 1000,
                    "weight of the end of the text behind the target in the loss, where the edit teaches it "
                    "(`end`); 0: it is not taught"),
      number_option("end_probability", search.end_probability, 0, 1,
                    "there: stop only when the end's probability passes this, too"),
  };
}

OptionBinding gradient_tokens_option(SearchOptions& search) {
  return integer_option(
      "gradient_tokens", search.gradient_tokens, 0, 1 << 20,
      "tokens searched in one pass, at most, which sets the memory that a file of many edits takes; 0: "
      "768 on the CPU, 6144 on a GPU");
}

void apply_search_options(const std::string& method, const std::vector<OptionBinding>& table,
                          const std::map<std::string, OptionText>& given, SearchOptions& search) {
  std::map<std::string, OptionText> rest = given;
  if (const auto preset = rest.extract("preset")) apply_options(method, table, {{"preset", preset.mapped()}});
  if (!rest.contains("search") && (rest.contains("step") || rest.contains("absolute_step")))
    search.method = SearchMethod::kAdam;
  const SearchOptions before = search;
  apply_options(method, table, rest);
  const auto refuse = [&](const std::string& name, bool changed) {
    refuse_idle_step(rest, name, changed, search.method);
  };
  if (search.method == SearchMethod::kAdam) {
    refuse("radius", search.radius != before.radius);
    refuse("growth", search.growth != before.growth);
    return;
  }
  refuse("step", search.step != before.step);
  refuse("absolute_step", search.absolute_step != before.absolute_step);
}

}  // namespace emend::editors
