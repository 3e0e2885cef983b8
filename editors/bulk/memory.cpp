#include "editors/bulk/memory.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>

#include "editors/bulk/values.h"
#include "editors/common/request_rows.h"
#include "editors/common/search_batches.h"
#include "model/block_reader.h"
#include "model/weights.h"

namespace emend::editors {

namespace {

// What one value of the search runs in a step: its rows, and their tokens from the lookup token on. Its keys
// are read over the tokens up to there.
struct StepSize {
  std::int64_t rows = 0, tokens = 0, read_tokens = 0, read_width = 0;
};

constexpr std::int64_t kContextTokens = 10;  // of the longest texts in front of a prompt

std::int64_t rows_of_a_prompt(const BulkOptions& options) {
  return 1 + options.contexts * (options.short_contexts ? 2 : 1);
}

// One for each subject, in the order of the first requests. What stands in front of a prompt adds no token
// behind its lookup token.
std::vector<StepSize> step_sizes(const Model& model, const std::vector<EditRequest>& requests,
                                 const EditorContext& context, const BulkOptions& options) {
  const CallRows rows(model.tokenizer(), requests, {context.prefix, context.form}, {});
  std::map<TokenIds, std::size_t> value_of;
  std::vector<StepSize> sizes;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const PromptRow& bare = rows[i].prompts.front();
    const auto end = bare.ids.begin() + static_cast<std::ptrdiff_t>(bare.lookup) + 1;
    const auto [known, fresh] = value_of.emplace(TokenIds(bare.ids.begin(), end), sizes.size());
    if (fresh) sizes.push_back(options.search.kl_factor > 0 ? StepSize{1, 1, 0, 0} : StepSize{});
    const std::int64_t prompts = rows_of_a_prompt(options);
    const auto tokens = static_cast<std::int64_t>(bare.ids.size() - bare.lookup + rows[i].target.size() - 1);
    sizes[known->second].rows += prompts;
    sizes[known->second].tokens += prompts * tokens;
    const auto read = static_cast<std::int64_t>(bare.lookup + 1);
    sizes[known->second].read_tokens += prompts * read;
    sizes[known->second].read_width = std::max(sizes[known->second].read_width, read + kContextTokens);
  }
  return sizes;
}

// The batch of the most tokens where none but a value alone has more than `most`, and how many values it has.
struct LargestBatch {
  StepSize size;
  std::size_t values = 0;
};
LargestBatch largest_batch(const std::vector<StepSize>& sizes, std::int64_t most) {
  std::vector<std::int64_t> tokens;
  for (const StepSize& size : sizes) tokens.push_back(size.tokens);
  LargestBatch largest;
  for (std::size_t begin = 0; begin < sizes.size();) {
    const std::size_t end = search_batch_end(tokens, begin, most);
    LargestBatch batch{{}, end - begin};
    for (std::size_t i = begin; i < end; ++i) {
      batch.size.rows += sizes[i].rows;
      batch.size.tokens += sizes[i].tokens;
    }
    if (batch.size.tokens > largest.size.tokens) largest = batch;
    begin = end;
  }
  return largest;
}

BulkSize size_of_edit(std::int64_t facts, const EditorContext& context, const BulkOptions& options) {
  const std::vector<int> layers = written_layers(context, options);
  BulkSize size;
  size.facts = facts;
  size.layers = static_cast<std::int64_t>(layers.size());
  size.keys = (options.keys == BulkKeys::kContextAndBare && options.contexts > 0 ? 2 : 1) + 1;
  size.moments = options.preserve != PreserveStage::kIdentity;
  if (options.preserve == PreserveStage::kNullSpace)
    size.null_space = options.threshold > 0 ? 1 : options.kept_directions;
  size.searched_layer = searched_layer(layers, options.values);
  size.prompt_rows = rows_of_a_prompt(options);
  return size;
}

// Instead of all weights: those that are kept, and the room that blocks are read into one by one.
void count_kept_weights(const Model& model, MemoryNeed& weights) {
  const ModelWeights& w = model.weights();
  std::int64_t kept = 0, room = 0;
  for (const at::Tensor& tensor : all_weights(w))
    if (!tensor.is_meta()) kept += static_cast<std::int64_t>(tensor.nbytes());
  for (const BlockWeights& block : w.blocks) {
    std::int64_t read = 0;
    for (const BlockMatrix member : kBlockMatrices)
      if ((block.*member).is_meta()) read += static_cast<std::int64_t>((block.*member).nbytes());
    room = std::max(room, read);
  }
  weights.bytes = kept + room;
  weights.formula = fmt::format("s P without {} of {} blocks, which are read one by one",
                                model.first_kept_block(), model.config().layers);
}

}  // namespace

EditMemory bulk_memory(const Model& model, const std::vector<EditRequest>& requests,
                       const EditorContext& context, const BulkOptions& options) {
  const std::vector<StepSize> sizes = step_sizes(model, requests, context, options);
  const std::size_t carried = context.earlier != nullptr && options.carry ? context.earlier->facts.size() : 0;
  BulkSize size = size_of_edit(static_cast<std::int64_t>(sizes.size() + carried), context, options);
  size.read_tokens = size.read_width = 0;
  for (const StepSize& one : sizes) {
    size.read_tokens = std::min(size.read_tokens + one.read_tokens, context.token_budget);
    size.read_width = std::max(size.read_width, one.read_width);
  }
  const std::int64_t given = most_search_tokens(options.search, model);
  for (std::int64_t most = given;; most = std::max<std::int64_t>(most / 2, 1)) {
    const LargestBatch batch = largest_batch(sizes, most);
    size.search_rows = batch.size.rows;
    size.search_tokens = batch.size.tokens;
    EditMemory memory = bulk_edit_memory(model.config(), model.compute_type(), size);
    if (model.first_kept_block() > 0) count_kept_weights(model, memory.held.front());
    if (most != given) memory.search_tokens = most;
    const bool fits = context.memory_bytes == 0 || memory.bytes() <= context.memory_bytes;
    if (fits || batch.values <= 1) return memory;
  }
}

}  // namespace emend::editors
