// One wording for all errors of the operating system.
#pragma once

#include <filesystem>
#include <string>

#include "emend/error.h"

namespace emend {

// "cannot read /a/b: no such file or directory". `action` is a verb ("read", "write", "create"),
// `error_number` an errno.
Error io_error(const std::string& action, const std::filesystem::path& path, int error_number);

}  // namespace emend
