// What a bulk edit will hold at once, before any work: from the texts of its requests and the model's shape.
#pragma once

#include <vector>

#include "editors/bulk/options.h"
#include "emend/editor.h"
#include "emend/memory_estimate.h"
#include "emend/model.h"
#include "emend/records.h"

namespace emend::editors {

// With context.memory_bytes, the batches of the search are halved until the whole fits; where it does not fit
// with each value searched alone either, that is what is returned. Throws Error(kConfig) as CallRows does.
EditMemory bulk_memory(const Model& model, const std::vector<EditRequest>& requests,
                       const EditorContext& context, const BulkOptions& options);

}  // namespace emend::editors
