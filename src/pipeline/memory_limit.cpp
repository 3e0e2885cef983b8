#include "pipeline/memory_limit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "analysis/prompt_rows.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "model/checkpoint_outline.h"
#include "model/kept_blocks.h"
#include "pipeline/edit_memory.h"

namespace emend {
namespace {

// The libraries, the tokenizer's own tables apart: measured, docs/memory.md. Those of a GPU build take more,
// and have it by the time a command asks.
constexpr std::int64_t kProgramBytes = std::int64_t{192} << 20, kStillToCome = std::int64_t{24} << 20;
// A token of the vocabulary in the tokenizer and in the metadata that it is made from.
constexpr std::int64_t kBytesAPiece = 640;
constexpr std::int64_t kDriftWidth = 512;  // of rows that drift is measured on

std::string human(std::int64_t bytes) {
  return human_bytes(static_cast<std::uint64_t>(bytes));
}

at::TensorOptions tensors_of(ComputeType type) {
  return at::TensorOptions().dtype(type == ComputeType::kFloat32 ? at::kFloat : at::kBFloat16);
}

std::int64_t program_bytes(const ModelConfig& config) {
  return std::max(kProgramBytes, peak_memory_bytes() + kStillToCome) + config.vocab * kBytesAPiece;
}

}  // namespace

WeightLimit limit_weights(const std::filesystem::path& path, const ModelOptions& options,
                          std::int64_t memory_bytes, const WorkBytes& work, Spare spare) {
  if (memory_bytes == 0) return {};
  if (options.device.text() != "cpu")
    throw Error(ErrorKind::kUsage,
                fmt::format("the option memory limits what the CPU holds; leave it out with the option "
                            "device {}",
                            options.device.text()));
  const ModelConfig config = read_outline(path).config;
  const WeightSizes weights = weight_sizes(config, tensors_of(options.dtype));
  const WorkSize size = work(config);
  const std::int64_t needed = size.bytes, program = program_bytes(config);
  const std::int64_t room = memory_bytes - needed - program;
  if (room < weights.least) {
    const std::int64_t megabyte = 1'000'000;
    throw Error(ErrorKind::kConfig,
                fmt::format("the option memory is too little for {}: the least is the option memory {}M: {} "
                            "of it tables, norms and the largest block, {} the work{}, {} the program with "
                            "its tokenizer",
                            path.string(), (weights.least + needed + program + megabyte - 1) / megabyte,
                            human(weights.least), human(needed),
                            size.what.empty() ? "" : " (" + size.what + ")", human(program)));
  }
  if (room >= weights.all) return {};
  const std::int64_t held = spare == Spare::kForWeights ? room : weights.least;
  const int lent = first_kept_block(config, tensors_of(options.dtype), held, path.string());
  return {held, fmt::format("{} of {} blocks are read from the file whenever a pass comes to them: all "
                            "weights take {} (the option memory)",
                            lent, config.layers, human(weights.all))};
}

std::int64_t changed_weight_bytes(const ModelConfig& config, ComputeType type, std::int64_t count) {
  const std::int64_t elements = config.d_model * config.d_ff;
  const std::int64_t size = static_cast<std::int64_t>(tensors_of(type).dtype().itemsize());
  return count == 0 ? 0 : elements * (count * size + 2 * static_cast<std::int64_t>(sizeof(float)));
}

std::int64_t changed_weight_bytes(const ModelConfig& config, ComputeType type,
                                  const std::vector<NamedPatch>& patches) {
  std::set<WeightRef> weights;
  for (const NamedPatch& named : patches)
    for (const WeightChange& change : named.patch.edit.changes) weights.insert(change.weight);
  return changed_weight_bytes(config, type, static_cast<std::int64_t>(weights.size()));
}

std::int64_t edit_work_bytes(const ModelConfig& config, ComputeType type, std::int64_t token_budget) {
  return edit_work(config, type, token_budget, std::nullopt).bytes;
}

std::string parts_text(const EditMemory& memory) {
  const auto listed = [](const std::vector<MemoryNeed>& needs) {
    std::vector<std::string> parts;
    for (const MemoryNeed& need : needs) parts.push_back(need.work + " " + human(need.bytes));
    return join(parts);
  };
  return listed(memory.held) + "; and one at a time of " + listed(memory.phases);
}

WorkSize edit_work(const ModelConfig& config, ComputeType type, std::int64_t token_budget,
                   const std::optional<EditMemory>& planned) {
  const std::int64_t changed = changed_weight_bytes(config, type, 1);
  EditSize size;
  size.factor_in_file = false;  // the folder may turn out to have no room for it
  const std::int64_t edit =
      planned ? planned->bytes() - weight_bytes(config, type) : edit_bytes(config, size) + changed;
  const std::int64_t statistics = own_text_statistics_bytes(config, 1),
                     pass = pass_bytes(config, token_budget, kDriftWidth) + changed;
  WorkSize work(std::max({edit, statistics, pass}));
  if (edit < work.bytes)
    work.what = pass < work.bytes ? "collecting statistics; " : "a pass over the text of drift; ";
  work.what += "the edit takes " + human(edit);
  if (planned) work.what += " beside the weights, planned with them: " + parts_text(*planned);
  return work;
}

std::optional<EditMemory> least_edit_memory(const std::filesystem::path& path, const Editor& editor,
                                            const EditFile& file, std::int64_t token_budget,
                                            const std::filesystem::path& on, ComputeType type) {
  ModelOptions options;
  options.dtype = type;
  const Model model = Model::describe(path, options);
  EditorContext context;
  context.layers = file.layer.layers;
  if (context.layers.empty())  // `layer: auto`: as many as there will be, wherever they are
    context.layers = editor.layers_around(model.config().layers / 2, model.config());
  context.prefix = row_prefix(model.tokenizer(), file.bos, file.form);
  context.form = file.form;
  context.ends = taught_ends(model.tokenizer(), file.end, file.form, file.path.string());
  context.token_budget = token_budget;
  context.memory_bytes = 1;  // the smallest batches
  std::optional<Patch> below;
  if (!on.empty()) {
    below = load_patch(on);
    context.earlier = &below->edit;
  }
  return editor.memory(model, file.edits, context);
}

std::int64_t prompt_work_bytes(const ModelConfig& config, ComputeType type, std::size_t prompt_bytes,
                               std::int64_t max_new, const std::vector<NamedPatch>& patches) {
  constexpr std::int64_t kTemplateTokens = 256;
  const GenerateSize size{static_cast<std::int64_t>(prompt_bytes) + kTemplateTokens, max_new};
  return generate_bytes(config, size) + changed_weight_bytes(config, type, patches);
}

}  // namespace emend
