// Editors of many facts over several layers (Meng et al. 2023, Mass-Editing Memory in a Transformer, and what
// followed): one program of three stages, of which a method names the options.
//
//   values     z = h + argmin_d loss(h + d) at one layer; what each layer writes of it        values.h
//   preserve   Delta = R (lambda I + K^T M K)^-1 K^T M over the keys of all facts so far      preserve.h
//   filter     what becomes of the value vectors before they are written                      filter.h
#pragma once

#include "editors/bulk/options.h"
#include "emend/editor.h"

namespace emend::editors {

// What edit files can name: the editor of a method's options.
EditorEntry bulk_editor(BulkMethod (*method)());

}  // namespace emend::editors
