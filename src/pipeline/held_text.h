// Text for measuring drift, as rows of ids.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emend/model.h"

namespace emend {

using TextRows = std::vector<std::vector<std::int64_t>>;

// Each text in rows of at most 512 ids, each with the prefix in front; rows without two ids say nothing and
// are left out.
TextRows held_rows(const Model& model, const std::vector<std::int64_t>& prefix,
                   const std::vector<std::string>& texts);

// Ids whose probability is measured: all but the first of each row.
std::int64_t measured_tokens(const TextRows& rows);

}  // namespace emend
