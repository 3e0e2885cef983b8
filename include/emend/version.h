// Which emend this is.
#pragma once

#include <string>

namespace emend {

// "0.1.0": of the library that is linked; files and JSON results carry it.
std::string emend_version();

}  // namespace emend
