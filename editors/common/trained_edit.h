// An edit whose change is trained: all requests of a call together, into one dense change of one weight.
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
#include "emend/edit.h"
#include "emend/editor.h"

namespace emend::editors {

class TrainedEdit {
 public:
  // The references outlive it. Throws Error(kConfig) if the model does not have the layer, for requests that
  // contradict each other, and as training_rows does; Error(kNumeric) for keys that are not finite.
  TrainedEdit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
              const TrainingOptions& options);

  EditPlan plan() const;

  // Without the method's name and options (sign). Throws Error(kNumeric), naming the requests, if the
  // training ended in a loss that is not a number, unless context.keep_going.
  Edit edit(const StepFilter& filter, const EpochSeen& seen) const;

 private:
  std::vector<std::string> warnings() const;
  [[noreturn]] void refuse_divergence(const Training& made) const;
  Edit collect(const Training& made) const;
  FactRecord fact_of(std::size_t i, const Training& made, FactPart part) const;

  const Model& model_;
  const std::vector<EditRequest>& requests_;
  const EditorContext& context_;
  const TrainingOptions& options_;
  WeightRef weight_;
  CallRows rows_;
  LayerTrace trace_;
  std::vector<SearchRow> training_;
  std::vector<at::Tensor> keys_;  // of each request: its bare key [F] float32 on the CPU
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
