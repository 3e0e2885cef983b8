#include "cli/load_model.h"

#include <fmt/format.h>

#include "console/interrupt.h"
#include "emend/error.h"
#include "model/device_memory.h"

namespace emend {

ModelOptions model_options(const CommonOptions& options) {
  ModelOptions how;
  how.device = Placement::parse(options.device);
  how.dtype = parse_compute_type(options.dtype);
  how.threads = options.threads;
  return how;
}

Model load_model(const std::string& path, const CommonOptions& options, Console& console,
                 const WorkBytes& work, Spare spare) {
  ModelOptions how = model_options(options);
  const WeightLimit limit = limit_weights(path, how, options.memory_bytes, work, spare);
  if (!limit.note.empty()) console.note(limit.note);
  how.weight_bytes = limit.bytes;
  Model model = Model::load(path, how, console.progress());
  throw_if_interrupted();
  return model;
}

void fit_token_budget(const Model& model, CommonOptions& options, Console& console) {
  if (options.token_budget_given) return;
  const at::Device device = model.options().device();
  options.token_budget = default_token_budget(device);
  if (device.is_cuda() && options.token_budget < kGpuTokenBudget)
    console.note(fmt::format("{} has little memory free: passes of at most {} tokens (--token-budget)",
                             device.str(), options.token_budget));
}

PromptForm parse_form(const std::string& form) {
  require_one_of("form", form, {"raw", "chat"});
  return *parse_prompt_form(form);
}

}  // namespace emend
