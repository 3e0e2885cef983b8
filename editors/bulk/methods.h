// The methods that are nothing but options of bulk.h.
#pragma once

#include "editors/bulk/options.h"

namespace emend::editors {

BulkMethod bulk_method();       // our own for many facts
BulkMethod memit_method();      // Meng et al. 2023
BulkMethod emmet_method();      // Gupta et al. 2024, A Unified Framework for Model Editing
BulkMethod alphaedit_method();  // Fang et al. 2025

}  // namespace emend::editors
