#include "memories/token_name.h"

#include <fmt/format.h>

#include "analysis/causal_trace/traced_prompt.h"

namespace emend {

std::string token_name(const Model& model, std::int64_t id) {
  if (!model.has_tokenizer() || id >= model.tokenizer().size()) return fmt::format("<{}>", id);
  return trace::token_text(model.tokenizer(), id);
}

}  // namespace emend
