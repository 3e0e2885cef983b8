#include "emend/memory_estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include "analysis/key_sums.h"
#include "analysis/own_text.h"
#include "linalg/cholesky_panels.h"
#include "linalg/moment_sum.h"
#include "linalg/response_solver.h"
#include "model/role_table.h"

namespace emend {

namespace {

constexpr std::int64_t kFloatBytes = sizeof(float), kDoubleBytes = sizeof(double);
constexpr std::int64_t kPassTokens = 4096;  // what a pass holds on the CPU where nothing else is asked for

std::int64_t size_of(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return 0;
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

std::int64_t parameters(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const RoleInfo& info : role_table()) {
    if (!info.is_whole()) continue;
    if (info.in_model) {
      const bool again = info.role == Role::kHead && config.tied_head;
      if (!again) count += size_of(info.shape(config, config.block));
      continue;
    }
    for (int l = 0; l < config.layers; ++l) count += size_of(info.shape(config, config.spec(l)));
  }
  return count;
}

std::int64_t inner_rows(const ModelConfig& c) {
  return (c.block.gated_mlp ? 2 : 1) * c.d_ff;
}

// Tokens of the largest block of own text where nothing is said of it.
std::int64_t default_own_block(const ModelConfig& c) {
  return std::min(kOwnTextKeys * c.d_ff, kOwnTextBlock);
}

// While a layer is finished: C, and beside it a half of it; or its factor, and what factoring needs besides.
std::int64_t finishing_bytes(std::int64_t d_ff) {
  const std::int64_t matrix = d_ff * d_ff * kDoubleBytes;
  return matrix + std::max(matrix, CholeskyPanels::kept_bytes(d_ff) + CholeskyPanels::working_bytes(d_ff));
}

// Sums, and the larger of what a pass takes and what finishing takes.
std::int64_t statistics_bytes(const ModelConfig& c, std::int64_t layers, std::int64_t running) {
  const std::int64_t product = MomentSum::packed_elements(c.d_ff) * kFloatBytes;
  return statistics_sum_bytes(c, layers) + std::max(running + product, finishing_bytes(c.d_ff));
}

std::int64_t element_bytes(ComputeType type) {
  return type == ComputeType::kFloat32 ? 4 : 2;
}

// What a search keeps for its gradients in the blocks above `layer`, in the type of the weights, and its
// logits.
std::int64_t search_bytes(const ModelConfig& c, ComputeType type, int layer, std::int64_t rows,
                          std::int64_t tokens) {
  const std::int64_t kept =
      8 * c.d_model + (c.heads + 2 * c.kv_heads) * c.head_dim + inner_rows(c) + 2 * c.d_ff;
  return tokens * (c.layers - layer) * kept * element_bytes(type) + 3 * rows * c.vocab * kFloatBytes;
}

// Of emend/memory_estimate.h, with a search in this type.
std::int64_t edit_bytes_in(const ModelConfig& c, ComputeType type, const EditSize& size) {
  const std::int64_t in_file = c.d_ff * c.d_ff * kFloatBytes;
  const std::int64_t factor = CholeskyPanels::kept_bytes(c.d_ff);
  const std::int64_t beside = size.factor_in_file && c.d_ff > CholeskyPanels::kColumns ? 0 : factor;
  const std::int64_t search = search_bytes(c, type, size.layer, size.rows, size.tokens);
  return std::max(factor + in_file + CholeskyPanels::working_bytes(c.d_ff), beside + search);
}

constexpr std::int64_t kPanel = CholeskyPanels::kColumns;

// Joining the keys, and the larger system of the two that responses are solved in.
std::int64_t joint_solve_bytes(std::int64_t F, const BulkSize& size) {
  const std::int64_t n = size.facts, q = n * (size.keys - 1) + 1;
  const std::int64_t joining = 3 * F * n * size.keys;
  const std::int64_t solving =
      elements_are_cheaper(q, F) ? F * q + 3 * F * F + 3 * F * n : 2 * F * q + 4 * q * q + 3 * q * n;
  return std::max(joining, solving) * kDoubleBytes;
}

}  // namespace

std::int64_t weight_bytes(const ModelConfig& config, ComputeType type) {
  return parameters(config) * element_bytes(type);
}

std::int64_t load_bytes(const ModelConfig& config, ComputeType type, std::int64_t staged_elements) {
  return weight_bytes(config, type) + staged_elements * kFloatBytes;
}

std::int64_t pass_bytes(const ModelConfig& c, std::int64_t tokens, std::int64_t width) {
  const std::int64_t mlp = tokens * (inner_rows(c) + 3 * c.d_ff + 3 * c.d_model);
  const std::int64_t attention =
      tokens * (3 * c.heads * width + 4 * (c.heads + 2 * c.kv_heads) * c.head_dim + 3 * c.d_model);
  return std::max(mlp, attention) * kFloatBytes;
}

std::int64_t edit_bytes(const ModelConfig& c, const EditSize& size) {
  return edit_bytes_in(c, ComputeType::kFloat32, size);
}

std::int64_t EditMemory::bytes() const {
  std::int64_t all = 0, most = 0;
  for (const MemoryNeed& need : held) all += need.bytes;
  for (const MemoryNeed& need : phases) most = std::max(most, need.bytes);
  return all + most;
}

EditMemory bulk_edit_memory(const ModelConfig& c, ComputeType type, const BulkSize& size) {
  const std::int64_t F = c.d_ff, D = c.d_model, n = size.facts, m = size.layers, j = size.keys;
  const std::int64_t s = element_bytes(type);
  const auto kept = static_cast<std::int64_t>(size.null_space * static_cast<double>(F));
  EditMemory memory;
  memory.held = {
      {"weights", weight_bytes(c, type), "s P"},
      {"changed weights", s * D * F * m, fmt::format("{} D F m, m = {} layers", s, m)},
      {"second moments", size.moments ? F * F * m * kFloatBytes : 0, "4 F^2 m"},
      {size.null_space > 0 ? "their eigenvectors" : "their factors",
       !size.moments
           ? 0
           : (size.null_space > 0 ? F * (F + kept) * kDoubleBytes : CholeskyPanels::kept_bytes(F)) * m,
       size.null_space > 0 ? fmt::format("8 F (F + {}) m", kept) : "4 F (F + 2048) m, or 8 F^2 m"},
      {"keys", F * n * m * (2 + j) * kDoubleBytes,
       fmt::format("8 F n m (2 + j), n = {} facts of j = {} keys", n, j)},
      {"responses", F * n * m * (kDoubleBytes + kFloatBytes), "12 F n m"},
      {"residuals", 3 * D * n * m * kFloatBytes, "12 D n m"},
  };
  const std::int64_t together = std::min<std::int64_t>(n, 256);
  memory.phases = {
      {"making a factor",
       !size.moments ? 0 : (size.null_space > 0 ? 4 * F * F : 2 * F * std::min(F, kPanel)) * kDoubleBytes,
       size.null_space > 0 ? "32 F^2" : "16 F min(F, 2048)"},
      {"reading keys",
       F * together * size.prompt_rows * m * (kDoubleBytes + kFloatBytes) +
           pass_bytes(c, size.read_tokens, size.read_width),
       fmt::format("12 F r m + a pass of {} tokens, r = {} rows", size.read_tokens,
                   together * size.prompt_rows)},
      {"a batch of the search",
       search_bytes(c, type, size.searched_layer, size.search_rows, size.search_tokens),
       fmt::format("s t (L - l) (8 D + (H + 2 K) h + I + 2 F) + 12 V r, t = {} tokens in r = {} rows, "
                   "l = {}",
                   size.search_tokens, size.search_rows, size.searched_layer)},
      {"a solve", joint_solve_bytes(F, size), "max(24 F n j, the system of the keys or of C)"},
      {"records", (F * n * j + 3 * D * n) * m * kFloatBytes, "4 (F j + 3 D) n m"},
  };
  return memory;
}

std::int64_t generate_bytes(const ModelConfig& c, const GenerateSize& size) {
  const std::int64_t prompt = std::min(size.prompt_tokens, c.max_positions);
  const std::int64_t tokens = std::min(prompt + size.new_tokens, c.max_positions);
  const std::int64_t cache = 2 * c.layers * c.kv_heads * c.head_dim * tokens, logits = 3 * c.vocab;
  return pass_bytes(c, prompt, prompt) + (cache + logits) * kFloatBytes;
}

std::int64_t trace_bytes(const ModelConfig& c, const TraceSize& size) {
  const std::int64_t runs = (size.samples + 1) * size.prompt_tokens * c.layers *
                            (3 * c.d_model + 2 * c.kv_heads * c.head_dim) * kFloatBytes;
  const std::int64_t restored = std::min(size.token_budget, size.samples * c.layers * size.prompt_tokens);
  return runs + pass_bytes(c, restored, size.prompt_tokens);
}

std::int64_t statistics_sum_bytes(const ModelConfig& c, std::int64_t layers) {
  return layers * KeySums::bytes_a_layer(c.d_ff);
}

std::int64_t own_text_statistics_bytes(const ModelConfig& c, std::int64_t layers, std::int64_t block_tokens) {
  const auto [rows, length] = own_text_shape(c, block_tokens);
  const std::int64_t cache = 2 * c.layers * rows * length * c.kv_heads * c.head_dim * kFloatBytes;
  const std::int64_t waiting = layers * 2 * 1024 * c.d_ff * kFloatBytes;
  return statistics_bytes(c, layers, cache + waiting + 4 * rows * c.vocab * kFloatBytes);
}

std::int64_t own_text_statistics_bytes(const ModelConfig& c, std::int64_t layers) {
  return own_text_statistics_bytes(c, layers, default_own_block(c));
}

std::int64_t given_text_statistics_bytes(const ModelConfig& c, std::int64_t layers, std::int64_t token_budget,
                                         std::int64_t width) {
  return statistics_bytes(c, layers, pass_bytes(c, std::max(token_budget, width), width));
}

std::vector<MemoryNeed> memory_needs(const ModelConfig& config, ComputeType type,
                                     std::int64_t staged_elements) {
  const std::int64_t weights = weight_bytes(config, type);
  const std::int64_t width = std::min<std::int64_t>(512, config.max_positions);
  const EditSize edit;
  const TraceSize trace;
  const auto [rows, length] = own_text_shape(config, default_own_block(config));
  const auto statistics = [&, rows = rows, length = length](const char* work, std::int64_t layers) {
    return MemoryNeed{
        work, weights + own_text_statistics_bytes(config, layers),
        fmt::format(
            "s P + 8 F (F + 256) m + max(8192 F m + 8 L K h n + 16 V {}, 16 F^2 or 8 F^2 + 4 F (F + b) + "
            "8 b (2 F - b)), m = {} "
            "layers, own text of n = {} x {} tokens",
            rows, layers, rows, length)};
  };
  return {
      {"loading", load_bytes(config, type, staged_elements),
       staged_elements == 0 ? "s P" : fmt::format("s P + 4 times {} elements", staged_elements)},
      {"a pass", weights + pass_bytes(config, kPassTokens, width),
       fmt::format(
           "s P + 4 n max(I + 3 F + 3 D, 3 H w + 4 (H + 2 K) h + 3 D), n = {} tokens in rows of w = {}",
           kPassTokens, width)},
      {"an edit of one fact", weights + edit_bytes_in(config, type, edit),
       fmt::format("s P + max(4 F (F + b) + 4 F^2 + 8 b (2 F - b), {}s n L (8 D + (H + 2 K) h + I + 2 F) + "
                   "12 V r), b "
                   "= min(F, 2048), r = {} rows with n = {} tokens behind the subject, at layer 0",
                   config.d_ff > CholeskyPanels::kColumns ? "" : "8 F^2 + ", edit.rows, edit.tokens)},
      {"a trace of one fact", weights + trace_bytes(config, trace),
       fmt::format("s P + 4 ({} + 1) T L (3 D + 2 K h) + a pass of at most {} tokens, T = {}", trace.samples,
                   trace.token_budget, trace.prompt_tokens)},
      statistics("statistics of one layer", 1),
      statistics("statistics of all layers", config.layers),
  };
}

}  // namespace emend
