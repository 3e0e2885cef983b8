// The option token_budget of every run.
#pragma once

#include <cstdint>

#include "bindings/python/options.h"
#include "bindings/python/session.h"

namespace emend::python {

// As given, or what suits the model's device. Throws Error(kUsage) unless it is at least 1.
std::int64_t take_token_budget(Options& options, const Session& session);

}  // namespace emend::python
