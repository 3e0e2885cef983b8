#include "editors/finetune/options.h"

#include <utility>

namespace emend::editors {

namespace {

// In the order of the enum.
const std::vector<std::string> kReadingWords = {"in-turn", "at-the-prompt"};

}  // namespace

FinetuneOptionTable::FinetuneOptionTable(FinetuneMethod method,
                                         const std::map<std::string, OptionText>& given)
    : FinetuneOptionTable(std::move(method)) {
  std::map<std::string, OptionText> rest = given;
  if (const auto preset = rest.extract("preset"))
    apply_options(method_.name, bindings(), {{"preset", preset.mapped()}});
  apply_options(method_.name, bindings(), rest);
}

std::vector<OptionBinding> FinetuneOptionTable::bindings() {
  FinetuneOptions& tuned = value_;
  return {
      preset_option(
          published_, [this] { value_ = published_ ? method_.published : method_.own; },
          "paper: the constants as published; other options still override them"),
      word_option("reading", kReadingWords, tuned.reading,
                  "in-turn: each token of the target behind those before it; at-the-prompt: all of them at "
                  "the prompt's last position (the program of Meng et al. 2022)"),
      number_option("bound", tuned.bound, 0, 1e6,
                    "no number of the weight moves by more than this, as it is; 0: use relative_bound"),
      number_option("relative_bound", tuned.relative_bound, 0, 1e6,
                    "the same in units of the root mean square of the weight; 0: no bound"),
      number_option("learning_rate", tuned.learning_rate, 0, 1e3,
                    "Adam's step, as it is; 0: use relative_rate"),
      number_option("relative_rate", tuned.relative_rate, 1e-9, 1e3,
                    "the same in units of the root mean square of the weight"),
      integer_option("epochs", tuned.epochs, 1, 100000, "passes over all facts, at most"),
      integer_option("batch", tuned.batch, 1, 1 << 20, "facts of a step"),
      flag_option("shuffle", tuned.shuffle, "another order of the facts in every epoch"),
      flag_option("end_token", tuned.end_token, "the end-of-text token belongs to the target"),
      number_option("stop_loss", tuned.stop_loss, 0, 100,
                    "a batch whose loss is below this makes no step, and an epoch whose mean is below it is "
                    "the last"),
      integer_option(
          "gradient_tokens", tuned.gradient_tokens, 0, 1 << 20,
          "tokens of one pass with gradients, at most, which sets the memory of a batch; 0: 768 on "
          "the CPU, 6144 on a GPU"),
  };
}

}  // namespace emend::editors
