#include "cli/memory_limit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_estimate.h"
#include "model/checkpoint_outline.h"
#include "model/kept_blocks.h"

namespace emend {
namespace {

// The libraries, the tokenizer's own tables apart: measured, docs/memory.md. Those of a GPU build take more,
// and have it by the time a command asks.
constexpr std::int64_t kProgramBytes = std::int64_t{192} << 20, kStillToCome = std::int64_t{24} << 20;
// A token of the vocabulary in the tokenizer and in the metadata that it is made from.
constexpr std::int64_t kBytesAPiece = 640;

std::string human(std::int64_t bytes) {
  return human_bytes(static_cast<std::uint64_t>(bytes));
}

at::TensorOptions tensors_of(const CommonOptions& options) {
  return at::TensorOptions().dtype(options.dtype == "float32" ? at::kFloat : at::kBFloat16);
}

}  // namespace

std::int64_t weight_limit(const std::string& path, const CommonOptions& options, const WorkBytes& work,
                          Spare spare, Console& console) {
  if (options.memory_bytes == 0) return 0;
  if (options.device != "cpu")
    throw Error(
        ErrorKind::kUsage,
        fmt::format("--memory limits what the CPU holds; leave it out with --device {}", options.device));
  const ModelConfig config = read_outline(path).config;
  const WeightSizes weights = weight_sizes(config, tensors_of(options));
  const std::int64_t needed = work(config),
                     program = std::max(kProgramBytes, peak_memory_bytes() + kStillToCome) +
                               config.vocab * kBytesAPiece;
  const std::int64_t room = options.memory_bytes - needed - program;
  if (room < weights.least) {
    const std::int64_t megabyte = 1'000'000;
    throw Error(
        ErrorKind::kConfig,
        fmt::format(
            "--memory is too little for {}: the least is --memory {}M: {} of it tables, norms and the "
            "largest block, {} the work, {} the program with its tokenizer",
            path, (weights.least + needed + program + megabyte - 1) / megabyte, human(weights.least),
            human(needed), human(program)));
  }
  if (room >= weights.all) return 0;
  const std::int64_t held = spare == Spare::kForWeights ? room : weights.least;
  const int lent = first_kept_block(config, tensors_of(options), held, path);
  console.note(
      fmt::format("{} of {} blocks are read from the file whenever a pass comes to them: all weights "
                  "take {} (--memory)",
                  lent, config.layers, human(weights.all)));
  return held;
}

std::int64_t changed_weight_bytes(const ModelConfig& config, const CommonOptions& options,
                                  std::int64_t count) {
  const std::int64_t elements = config.d_model * config.d_ff;
  const std::int64_t size = static_cast<std::int64_t>(tensors_of(options).dtype().itemsize());
  return count == 0 ? 0 : elements * (count * size + 2 * static_cast<std::int64_t>(sizeof(float)));
}

}  // namespace emend
