// The options of fine-tuning one weight, and one table of names for all methods.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "editors/common/options.h"
#include "emend/records.h"

namespace emend::editors {

// What is read as the probability of a target.
enum class TargetReading {
  kInTurn,      // each token behind the prompt and the target's tokens before it
  kAtThePrompt  // every token at the prompt's last position (the program of Meng et al. 2022)
};

struct FinetuneOptions {
  TargetReading reading = TargetReading::kInTurn;
  // |Delta_ij| <= bound as it is, if that is above 0; else relative_bound in units of the root mean square of
  // the weight. Both 0: no bound.
  double bound = 0;
  double relative_bound = 0;
  // Adam's step as it is, if that is above 0; else relative_rate in the same units.
  double learning_rate = 0;
  double relative_rate = 0.01;
  int epochs = 25;          // at most
  int batch = 100;          // facts of a step
  bool shuffle = true;      // another order in every epoch
  bool end_token = false;   // the end-of-text token belongs to the target
  double stop_loss = 0.01;  // a batch below it makes no step, and an epoch whose mean is below it is the last
  int gradient_tokens = 0;  // tokens of a pass that takes gradients; 0: 768 on the CPU, 6144 on a GPU
  // With `layer: auto`: the layer at this share of the depth; below 0: the layer for a single fact. No option
  // of its own: whoever wants another layer names it.
  double depth = -1;
};

// One method of this kind: nothing but options.
struct FinetuneMethod {
  std::string name, help;
  FinetuneOptions own;        // preset: emend
  FinetuneOptions published;  // preset: paper
};

// The options and the table that binds their names. Not copied: the table refers to the struct beside it.
class FinetuneOptionTable {
 public:
  explicit FinetuneOptionTable(FinetuneMethod method) : method_(std::move(method)), value_(method_.own) {}
  // Throws Error(kConfig) for unknown options and bad values, with the option's place.
  FinetuneOptionTable(FinetuneMethod method, const std::map<std::string, OptionText>& given);
  FinetuneOptionTable(const FinetuneOptionTable&) = delete;
  FinetuneOptionTable& operator=(const FinetuneOptionTable&) = delete;

  const FinetuneMethod& method() const { return method_; }
  const FinetuneOptions& value() const { return value_; }
  std::vector<OptionBinding> bindings();

 private:
  FinetuneMethod method_;
  FinetuneOptions value_;
  bool published_ = false;  // preset: paper
};

}  // namespace emend::editors
