// Requests by subject: those whose subject's last token sees the same text have the same key and share one
// residual.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "editors/common/layer_trace.h"
#include "editors/common/request_rows.h"

namespace emend::editors {

// The keys of one subject at one layer, at its last token.
struct SubjectKeys {
  at::Tensor bare;      // [F] float64: of the bare prompt
  at::Tensor contexts;  // [F] float64: mean over the context rows; undefined without contexts
};

// One residual to be found.
struct KeyGroup {
  std::vector<std::size_t> requests;  // indices
  std::vector<SubjectKeys> keys;      // one for each layer of the trace
  std::vector<std::string> warnings;  // of its requests' rows; methods add theirs

  std::string ids(const std::vector<EditRequest>& all) const;  // "eiffel, louvre"
};

// The ids of the requests of a group besides `request`; of a large group the first kMostOthers, so that what
// is said of a group of n requests does not grow as n^2.
inline constexpr std::size_t kMostOthers = 100;
std::vector<std::string> others_of(const KeyGroup& group, std::size_t request,
                                   const std::vector<EditRequest>& all);

// kShared: one edit of all requests. kAlone: each request is an edit of its own on the unedited model.
enum class Grouping { kShared, kAlone };

// The groups in the order of their first requests, with their keys at the trace's layers.
std::vector<KeyGroup> group_requests(const CallRows& rows, const LayerTrace& trace, Grouping grouping);

// The key of position 0, where attention has its sink (Yang et al. 2024): the BOS's; in chat form that of the
// template's first token; else the mean over the position-0 keys of the contexts. [F] float64, one for each
// layer of the trace; undefined if there is neither.
std::vector<at::Tensor> sink_keys(const CallRows& rows, const LayerTrace& trace);

// Whether all keys of a group are numbers; what is said of one where they are not.
inline constexpr const char* kBrokenKeys = "its keys hold NaN or infinity";
bool has_finite_keys(const KeyGroup& group);

// A model whose numbers overflow cannot be edited: throws Error(kNumeric) naming the layer, and the ids of
// the groups whose keys hold NaN or infinity, or the sink's (may be empty: none).
void require_finite_keys(const std::vector<KeyGroup>& groups, const std::vector<at::Tensor>& sinks,
                         const std::vector<int>& layers, const std::vector<EditRequest>& requests);

// Two requests of one prompt cannot both hold: throws Error(kConfig) naming the ids and targets.
void require_no_contradiction(const std::vector<KeyGroup>& groups, const CallRows& rows,
                              const std::vector<EditRequest>& requests);

}  // namespace emend::editors
