// Texts without the blanks around them.
#pragma once

#include <string_view>

namespace emend {

// `text` without the spaces, tabs and line ends at both ends, or at the back only.
std::string_view trim(std::string_view text);
std::string_view trim_back(std::string_view text);

}  // namespace emend
