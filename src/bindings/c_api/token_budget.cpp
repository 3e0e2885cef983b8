#include "bindings/c_api/token_budget.h"

#include <fmt/format.h>

#include "emend/error.h"
#include "model/device_memory.h"

namespace emend::c_api {

std::int64_t settled_token_budget(std::int64_t tokens, const Model& model) {
  if (tokens < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("the token budget must be at least 1, or 0 for what suits the model's device, "
                            "found {}",
                            tokens));
  return tokens == 0 ? default_token_budget(model.options().device()) : tokens;
}

}  // namespace emend::c_api
