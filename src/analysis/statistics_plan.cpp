#include "analysis/statistics_plan.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <fstream>

#include "analysis/key_sums.h"
#include "analysis/own_text.h"
#include "analysis/text_options.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_estimate.h"
#include "linalg/moment_sum.h"
#include "model/device_memory.h"
#include "model/placement.h"

namespace emend {

namespace {

constexpr std::int64_t kFloat = sizeof(float);

// The share of the machine's matrix-product rate that passes reach (docs/statistics.md).
constexpr double kEfficiency = 0.7;

void check_options(const Model& model, const StatisticsOptions& options) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorKind::kConfig, "statistics: " + what); };
  if (options.layers.empty()) refuse("no layer is asked for");
  for (const int layer : options.layers) require_layer("statistics", layer, model.config().layers);
  check_statistics_values(options);
  check_text_options(model, options, "statistics");
}

// What already occupies the memory where the sums will be: on a GPU the weights, on the CPU the libraries
// too.
std::int64_t resident_bytes(const Model& model) {
  if (model.options().device().is_cuda()) return model.bytes();
  std::ifstream status("/proc/self/statm");
  std::int64_t total = 0, resident = 0;
  status >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

std::int64_t needed_bytes(const Model& model, const StatisticsOptions& options, std::size_t layers) {
  const auto count = static_cast<std::int64_t>(layers);
  return resident_bytes(model) +
         (options.corpus.empty() ? own_text_statistics_bytes(model.config(), count,
                                                             std::min(options.tokens, options.block_tokens))
                                 : statistics_work_bytes(model.config(), options, count));
}

std::int64_t besides_sums(const Model& model, const StatisticsOptions& options, std::size_t layers) {
  return needed_bytes(model, options, layers) -
         statistics_sum_bytes(model.config(), static_cast<std::int64_t>(layers));
}

double expected_seconds(const Model& model, const StatisticsOptions& options, const StatisticsPlan& plan,
                        std::int64_t keys) {
  const ModelConfig& c = model.config();
  const bool own = options.corpus.empty();
  const double rate = plan.matmul_flops * kEfficiency;
  const double writing = own ? own_text_seconds_a_token(model, options) : 0;
  double seconds_a_token = 0;
  for (const std::vector<int>& layers : plan.passes) {
    const double length = static_cast<double>(std::min(options.window / 2, c.max_positions));
    const double pass = pass_flops_a_token(c, layers.back(), length);
    const double sums = flops_a_token(c, layers, length) - pass;
    seconds_a_token += sums / rate + (own ? writing : pass / rate);
  }
  return seconds_a_token * static_cast<double>(keys);
}

// The memory that this run may take, 0: no limit. On a GPU nine tenths of what it has, unless less was given,
// in coarse steps, since the same options must give the same passes again. Over several devices only what was
// given.
std::int64_t memory_limit(const Model& model, const StatisticsOptions& options) {
  const auto free = free_device_bytes(model.options().device());
  if (!free || is_split(model.devices())) return options.memory_bytes;
  const std::int64_t there = *free + model.bytes(),
                     step = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(there))) / 16;
  const std::int64_t all = there / 10 * 9 / step * step;
  return options.memory_bytes > 0 ? std::min(options.memory_bytes, all) : all;
}

}  // namespace

std::int64_t statistics_work_bytes(const ModelConfig& config, const StatisticsOptions& options,
                                   std::int64_t layers) {
  if (options.corpus.empty()) return own_text_statistics_bytes(config, layers);
  return given_text_statistics_bytes(config, layers, options.token_budget,
                                     std::min(options.window, config.max_positions));
}

void check_statistics_values(const StatisticsOptions& options) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorKind::kUsage, what); };
  check_text_values(options);
  if (options.memory_bytes < 0)
    refuse(fmt::format("the option memory must be at least 0, found {}", options.memory_bytes));
  if (options.until && (!std::isfinite(*options.until) || *options.until <= 0))
    refuse("the option until must be above 0");
  if (options.until && options.shards > 1)
    refuse(
        "statistics: one shard cannot know when all of them have enough text: leave out either the option "
        "until or the shards");
}

StatisticsOptions settle_options(const Model& model, StatisticsOptions options) {
  constexpr std::int64_t kGiven = 10, kUntil = 100;  // keys a dimension
  check_options(model, options);
  std::sort(options.layers.begin(), options.layers.end());
  options.layers.erase(std::unique(options.layers.begin(), options.layers.end()), options.layers.end());
  if (options.tokens == 0)
    options.tokens = (options.until            ? kUntil
                      : options.corpus.empty() ? kOwnTextKeys
                                               : kGiven) *
                     model.config().d_ff;
  settle_text_options(model, options.until.has_value(), options);
  return options;
}

std::vector<std::vector<int>> group_layers(const std::vector<int>& layers, std::size_t most) {
  const std::size_t groups = (layers.size() + most - 1) / most;
  std::size_t end = layers.size() - (groups - 1) * most;  // the first group takes the rest
  std::vector<std::vector<int>> found;
  for (std::size_t begin = 0; begin < layers.size(); begin = end, end += most)
    found.emplace_back(layers.begin() + static_cast<std::ptrdiff_t>(begin),
                       layers.begin() + static_cast<std::ptrdiff_t>(end));
  return found;
}

double pass_flops_a_token(const ModelConfig& c, int last_layer, double row_length) {
  const double attention = static_cast<double>(c.d_model) * (c.heads + 2 * c.kv_heads) * c.head_dim +
                           static_cast<double>(c.d_model) * c.heads * c.head_dim +
                           2.0 * row_length * c.heads * c.head_dim;
  const double mlp_in = static_cast<double>(c.d_model) * c.d_ff * (c.block.gated_mlp ? 2 : 1);
  const double mlp_out = static_cast<double>(c.d_model) * c.d_ff;
  const double blocks = last_layer + 1;
  return 2 * (blocks * (attention + mlp_in) + (blocks - 1) * mlp_out);
}

double flops_a_token(const ModelConfig& c, const std::vector<int>& layers, double row_length) {
  const double sums =
      static_cast<double>(MomentSum::packed_elements(c.d_ff)) * static_cast<double>(layers.size());
  return pass_flops_a_token(c, layers.back(), row_length) + 2 * sums;
}

double measure_matmul_flops(const Model& model) {
  const c10::NoGradGuard no_grad;
  constexpr int kTimes = 5;  // the first warms up; their mean is what a busy machine gives
  const bool on_gpu = model.options().device().is_cuda();
  const std::int64_t size = on_gpu ? 8192 : 1024;
  const auto options = on_gpu ? model.options() : at::TensorOptions(at::kFloat);
  // Zeros and ones would be multiplied at less power, hence faster.
  const at::Tensor a = at::arange(size * size, options).view({size, size}).sin(), b = a.cos();
  double seconds = 0;
  for (int i = 0; i < kTimes; ++i) {
    const auto began = std::chrono::steady_clock::now();
    at::mm(a, b)[0][0].item<float>();  // waits for the device
    if (i > 0) seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
  const auto n = static_cast<double>(size);
  return 2.0 * n * n * n * (kTimes - 1) / seconds;
}

StatisticsPlan make_plan(const Model& model, const StatisticsOptions& options, const TextSource& text) {
  const std::vector<int>& layers = options.layers;
  const std::int64_t d_ff = model.config().d_ff, a_layer = KeySums::bytes_a_layer(d_ff);
  StatisticsPlan plan;
  std::size_t most = layers.size();
  if (const std::int64_t limit = memory_limit(model, options); limit > 0) {
    const std::int64_t needed = besides_sums(model, options, 1) + a_layer;
    if (limit < needed)
      throw Error(ErrorKind::kConfig,
                  fmt::format("statistics: {} of memory are not enough: weights, one pass and the sums of "
                              "one layer need {}; give more, or a smaller token budget",
                              human_bytes(static_cast<std::uint64_t>(limit)),
                              human_bytes(static_cast<std::uint64_t>(needed))));
    // In coarse steps: the same options must give the same passes, or resume would not find its checkpoints.
    constexpr std::int64_t kStep = std::int64_t{1} << 26;
    const auto coarse = [](std::int64_t bytes) { return (bytes + kStep - 1) / kStep * kStep; };
    while (most > 1 &&
           coarse(besides_sums(model, options, most)) + static_cast<std::int64_t>(most) * a_layer > limit)
      --most;
  }
  plan.passes = group_layers(layers, most);
  plan.tokens = text.tokens();
  std::int64_t keys = 0;
  for (std::int64_t b = options.shard; b < text.blocks(); b += options.shards, ++plan.blocks)
    keys += text.tokens_of(b);
  plan.sum_bytes = static_cast<std::int64_t>(plan.passes.back().size()) * a_layer;
  plan.file_bytes = static_cast<std::int64_t>(layers.size()) * d_ff * d_ff * kFloat;
  plan.peak_bytes = besides_sums(model, options, plan.passes.back().size()) + plan.sum_bytes;
  plan.matmul_flops = measure_matmul_flops(model);
  plan.seconds = expected_seconds(model, options, plan, keys);
  plan.source = text.description();
  return plan;
}

}  // namespace emend
