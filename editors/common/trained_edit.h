// An edit whose changes are trained: all requests of a call together, into one dense change of each weight.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "editors/common/key_groups.h"
#include "editors/common/layer_trace.h"
#include "editors/common/request_rows.h"
#include "editors/common/search_unit.h"
#include "editors/common/train.h"
#include "editors/common/training_options.h"
#include "editors/common/training_rows.h"
#include "emend/edit.h"
#include "emend/editor.h"

namespace emend::editors {

class TrainedEdit {
 public:
  // Trains the down projections of context.layers. The references outlive it. Throws Error(kConfig) if the
  // model does not have a layer, if they do not ascend, for requests that contradict each other, and as
  // training_rows does; Error(kNumeric) for keys that are not finite.
  TrainedEdit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
              const TrainingOptions& options);

  EditPlan plan() const;

  // Without the method's name and options (sign). `filters`: one for each layer, or none. A request whose own
  // loss is not a number in the unedited model fails, and the others are trained without it. Throws
  // Error(kNumeric), unless context.keep_going, naming such requests, or all if the training of the others
  // ended in a loss that is not a number.
  Edit edit(const std::vector<StepFilter>& filters, const EpochSeen& seen) const;

 private:
  std::vector<std::string> warnings() const;
  [[noreturn]] void refuse_divergence(const Training& made) const;
  [[noreturn]] void refuse_broken(const std::vector<std::size_t>& which) const;
  // Which of the rows have a loss that is not a number without any change, each by itself.
  std::vector<bool> broken_rows(const TrainingRows& rows, const std::vector<at::Tensor>& weights) const;
  // A training of some of the requests as one of all: no step for the others.
  Training of_all(Training made, const std::vector<std::size_t>& which) const;
  // `broken`: those that were left out; may be empty.
  Edit collect(const Training& made, const std::vector<bool>& broken) const;
  FactRecord fact_of(std::size_t i, const Training& made, std::vector<FactPart> parts) const;
  std::vector<KeyGroup> find_keys();

  const Model& model_;
  const std::vector<EditRequest>& requests_;
  const EditorContext& context_;
  const TrainingOptions& options_;
  std::vector<int> layers_;
  CallRows rows_;
  LayerTrace trace_;  // of the first layer
  std::vector<SearchRow> training_;
  // Of each request and layer: its bare key in the unedited model, [F] float32 on the CPU.
  std::vector<std::vector<at::Tensor>> keys_;
};

// Makes one trained edit, and is told what its epochs are like.
using TrainOnce = std::function<Edit(const std::vector<EditRequest>& requests, const EpochSeen& seen)>;

// Editor::edit and Editor::edit_each of methods that train, with progress. Each change is as large as the
// weight, so that requests alone are trained one after the other.
Edit train_together(const std::vector<EditRequest>& requests, int epochs, const TrainOnce& once,
                    Progress& progress);
std::vector<Edit> train_each(const std::vector<EditRequest>& requests, const TrainOnce& once,
                             Progress& progress);

}  // namespace emend::editors
