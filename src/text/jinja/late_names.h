// Names that a block sets before it reads them.
#pragma once

#include "text/jinja/syntax.h"

namespace emend::text::jinja {

// Fills in Block::late for `root` and all blocks inside. jinja2 decides once for a whole block where a name
// comes from: if the first that the block itself does with a name is to set it, outside of any {% if %}, the
// name is the block's own, and a block inside that reads it earlier finds it undefined, also when the caller
// of the template gave a value of that name.
void find_late_names(Block& root);

}  // namespace emend::text::jinja
