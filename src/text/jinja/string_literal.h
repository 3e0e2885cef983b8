// The escapes of a string in a template: Python's, since Jinja2 hands them to Python.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace emend::text::jinja {

// `body` is what stands between the quotes, `position` where it begins in the source. An escape that Python
// does not know stays as it is, with its backslash. Throws SyntaxFault.
std::string unescape(std::string_view body, std::size_t position);

}  // namespace emend::text::jinja
