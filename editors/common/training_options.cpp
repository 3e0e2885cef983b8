#include "editors/common/training_options.h"

#include <algorithm>
#include <cmath>

namespace emend::editors {

namespace {

constexpr std::int64_t kCpuGradientTokens = 768, kGpuGradientTokens = 6144;

// In the order of the enum.
const std::vector<std::string> kReadingWords = {"in-turn", "at-the-prompt"};

}  // namespace

std::vector<OptionBinding> training_bindings(TrainingOptions& tuned) {
  return {
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

int layer_at_depth(const TrainingOptions& options, int layer, int layers) {
  if (options.depth < 0) return layer;
  return static_cast<int>(std::min(std::lround(options.depth * layers), layers - 1L));
}

std::int64_t tokens_of_a_gradient(const TrainingOptions& options, bool on_gpu) {
  if (options.gradient_tokens > 0) return options.gradient_tokens;
  return on_gpu ? kGpuGradientTokens : kCpuGradientTokens;
}

}  // namespace emend::editors
