// Models against a base file (emend/kl_run.h): on a terminal and as JSON.
#pragma once

#include <cstddef>
#include <string>

#include "base/json.h"
#include "emend/kl_run.h"
#include "emend/model.h"

namespace emend {

std::string kl_text(const KlOutcome& outcome, std::size_t columns);
ResultJson kl_json(const KlOutcome& outcome);

// Of a base file that was written of `model`.
std::string kl_written_text(const KlWritten& written);
ResultJson kl_written_json(const KlWritten& written, const Model& model);

}  // namespace emend
