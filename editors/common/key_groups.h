// Requests by key: those whose subject's last token sees the same text share one residual.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "editors/common/closed_form.h"
#include "editors/common/layer_trace.h"
#include "editors/common/request_rows.h"

namespace emend {

// One residual to be found.
struct KeyGroup {
  std::vector<std::size_t> requests;  // indices
  at::Tensor bare_key;                // [F] float64: at the subject's last token of the bare prompt
  at::Tensor context_key;             // [F] float64: mean over the context rows; undefined without contexts
  KeyConstraint constraint;           // what its response is held to; the method chooses
  std::vector<std::string> warnings;  // of its requests' rows, and of what the method chose

  std::string ids(const std::vector<EditRequest>& all) const;  // "eiffel, louvre"
};

// kShared: one edit of all requests. kAlone: each request is an edit of its own on the unedited model.
enum class Grouping { kShared, kAlone };

// The groups in the order of their first requests, with their keys at the trace's layer.
std::vector<KeyGroup> group_by_key(const CallRows& rows, const LayerTrace& trace, Grouping grouping);

// A model whose numbers give out cannot be edited: throws Error(kNumeric) naming the ids and the layer of
// keys, or the layer of the sink's (may be undefined), that hold NaN or infinity.
void require_finite_keys(const std::vector<KeyGroup>& groups, const at::Tensor& sink, int layer,
                         const std::vector<EditRequest>& requests);

// Two requests of one prompt cannot both be right: throws Error(kConfig) naming the ids and targets.
void require_no_contradiction(const std::vector<KeyGroup>& groups, const CallRows& rows,
                              const std::vector<EditRequest>& requests);

// The key of position 0, where attention has its sink (Yang et al. 2024): the BOS's; in chat form that of the
// template's first token; else the mean over the position-0 keys of the contexts. [F] float64; undefined when
// there is neither.
at::Tensor sink_key(const CallRows& rows, const LayerTrace& trace);

}  // namespace emend
