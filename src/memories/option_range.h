// Whole numbers among the options of an analysis, checked before anything runs.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "emend/error.h"

namespace emend {

// Throws Error(kUsage) unless `value` is in [least, most]. `option`: "the option top", from which the program
// knows what to give its dashes.
inline void require_between(const char* option, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most)
    throw Error(ErrorKind::kUsage, fmt::format("{} must be {} to {}, found {}", option, least, most, value));
}

}  // namespace emend
