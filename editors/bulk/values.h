// The first stage of a bulk edit: what the layers should make of each subject.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "editors/bulk/options.h"
#include "editors/common/key_groups.h"
#include "editors/common/layer_trace.h"
#include "editors/common/request_rows.h"
#include "editors/common/search_unit.h"
#include "emend/editor.h"
#include "emend/progress.h"

namespace emend::editors {

// The layers that an edit writes: those of the context, or the last of them alone.
std::vector<int> written_layers(const EditorContext& context, const BulkOptions& options);

// The layer at which values are searched.
int searched_layer(const std::vector<int>& layers, ValueStage values);

// One unknown for each group, at the trace's layer, on `model`. Of the context, its journal and search_tokens
// are used.
std::vector<SearchResult> search_values_of(const Model& model, const LayerTrace& trace, const CallRows& rows,
                                           const std::vector<KeyGroup>& groups, const BulkOptions& options,
                                           const EditorContext& context, Progress& progress);

// What a layer makes of each group's subject: the residual stream behind its block at the lookup token of the
// bare prompt (where values do not reach the stream as they are, the values), [groups, D] float32, one for
// each of `layers`. With `added` [groups, D], the stream behind block layers[0] is first changed by it.
std::vector<at::Tensor> seen_at_lookup(const Model& model, const CallRows& rows,
                                       const std::vector<KeyGroup>& groups, const std::vector<int>& layers,
                                       std::int64_t token_budget, const at::Tensor& added = {});

}  // namespace emend::editors
