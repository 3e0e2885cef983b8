// The options of CrispEdit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "editors/common/training_options.h"
#include "emend/records.h"

namespace emend::editors {

// What is kept within the directions of low curvature.
enum class Projected {
  kGradient,  // each gradient, before Adam (the published program): Adam's division by the root of its second
              // moment, entry by entry, leads out of them again
  kChange     // the change itself, after each step
};

struct CrispEditOptions {
  TrainingOptions training;
  Projected projected = Projected::kChange;
  double energy = 0.9;  // the share of the curvature whose directions are left out, in each layer by itself
  // With `layer: auto`: the layers at these shares of the depth; empty: the layer for a single fact. No
  // option of its own: whoever wants other layers names them.
  std::vector<double> depths;
  // Tokens of text that the model writes, over which the moment of gradients is averaged.
  int curvature_tokens = 4096;
};

// The options and the table that binds their names. Not copied: the table refers to the struct beside it.
class CrispEditOptionTable {
 public:
  CrispEditOptionTable();
  // Throws Error(kConfig) for unknown options and bad values, with the option's place.
  explicit CrispEditOptionTable(const std::map<std::string, OptionText>& given);
  CrispEditOptionTable(const CrispEditOptionTable&) = delete;
  CrispEditOptionTable& operator=(const CrispEditOptionTable&) = delete;

  const CrispEditOptions& value() const { return value_; }
  std::vector<OptionBinding> bindings();

 private:
  CrispEditOptions value_;
  bool published_ = false;  // preset: paper
};

}  // namespace emend::editors
