// Lower case by Unicode's rules for single characters.
#pragma once

#include <string>
#include <string_view>

namespace emend {

// Ill-formed parts of `text` become U+FFFD.
std::string lower_case(std::string_view text);

}  // namespace emend
