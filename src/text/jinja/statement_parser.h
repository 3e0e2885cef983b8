// A whole template: text, {{ outputs }} and {% statements %}.
#pragma once

#include <string_view>

#include "text/jinja/syntax.h"

namespace emend::text::jinja {

// `source` is normalised. Throws SyntaxFault; what Jinja2 knows and emend does not is refused by name.
Block parse(std::string_view source);

}  // namespace emend::text::jinja
