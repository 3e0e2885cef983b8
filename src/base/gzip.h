// Compressed text for files that other programs read.
#pragma once

#include <string>
#include <string_view>

namespace emend {

// One gzip member (RFC 1952) without name and time: the same text gives the same bytes.
std::string gzip_text(std::string_view text);

}  // namespace emend
