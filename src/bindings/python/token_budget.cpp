#include "bindings/python/token_budget.h"

#include <fmt/format.h>

#include <optional>

#include "emend/error.h"
#include "model/device_memory.h"

namespace emend::python {

std::int64_t take_token_budget(Options& options, const Session& session) {
  std::optional<std::int64_t> tokens;
  options.take("token_budget", tokens);
  if (!tokens) return default_token_budget(session.model.options().device());
  if (*tokens < 1)
    throw Error(ErrorKind::kUsage, fmt::format("the token budget must be at least 1, found {}", *tokens));
  return *tokens;
}

}  // namespace emend::python
