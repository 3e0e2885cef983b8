#include "editors/common/context_rows.h"

#include "analysis/context_texts.h"

namespace emend::editors {

std::vector<TokenIds> contexts_of(const Model& model, const EditorContext& context, std::int64_t count) {
  if (count == 0) return {};
  const auto sample = [&] { return sample_contexts(model, context.prefix, count, context.seed); };
  if (!context.cache) return sample();
  return context.cache->contexts(contexts_identity(model, context.prefix, count, context.seed), sample);
}

}  // namespace emend::editors
