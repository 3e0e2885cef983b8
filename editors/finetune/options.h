// The options of fine-tuning one weight, and one table of names for all methods.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "editors/common/training_options.h"
#include "emend/records.h"

namespace emend::editors {

// One method of this kind: nothing but options.
struct FinetuneMethod {
  std::string name, help;
  TrainingOptions own;        // preset: emend
  TrainingOptions published;  // preset: paper
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
  const TrainingOptions& value() const { return value_; }
  std::vector<OptionBinding> bindings();

 private:
  FinetuneMethod method_;
  TrainingOptions value_;
  bool published_ = false;  // preset: paper
};

}  // namespace emend::editors
