// emend_model_*, emend_cancel, emend_generate*
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <cstddef>

#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/generate_run.h"
#include "emend/model_check.h"
#include "emend/model_summary.h"
#include "emend/report.h"
#include "pipeline/continue_prompt.h"
#include "pipeline/memory_limit.h"

namespace emend::c_api {
namespace {

constexpr int kMostThreads = 4096;

// Of the weights, beside the work of an edit of one fact.
void limit_memory(const char* path, std::int64_t memory_bytes, ModelOptions& how, Progress& progress) {
  constexpr std::int64_t kTokenBudget = 4096;
  const WeightLimit limit = limit_weights(path, how, memory_bytes, [&](const ModelConfig& config) {
    return edit_work_bytes(config, how.dtype, kTokenBudget);
  });
  how.weight_bytes = limit.bytes;
  if (!limit.note.empty()) progress.note(limit.note);
}

emend_status load(const char* path, const emend_load_options* given, emend_model** model) {
  require_given(model, "model");
  *model = nullptr;
  require_given(path, "path");
  constexpr std::size_t kOldest = offsetof(emend_load_options, memory_bytes);
  const emend_load_options options = options_of(given, emend_load_options EMEND_LOAD_OPTIONS_INIT, kOldest);
  if (options.threads < 0 || options.threads > kMostThreads)
    throw Error(ErrorKind::kUsage,
                "threads must be from 0 to 4096, found " + std::to_string(options.threads));
  ModelOptions how;
  how.device = Placement::parse(text_of(options.device, "cpu"));
  how.dtype = parse_compute_type(text_of(options.dtype, "float32"));
  if (options.memory_bytes < 0)
    throw Error(ErrorKind::kUsage,
                fmt::format("memory_bytes must be at least 0, found {}", options.memory_bytes));
  const int threads = options.threads > 0 ? options.threads : at::get_num_threads();
  const ThreadCount count(threads);
  CallbackProgress progress(options.progress, options.progress_data, nullptr);
  limit_memory(path, options.memory_bytes, how, progress);
  auto object = std::make_shared<ModelObject>(Model::load(path, how, progress), how, threads);
  *model = as_handle<emend_model>(HandleTable::shared().add(HandleKind::kModel, std::move(object)));
  return EMEND_OK;
}

emend_generate_options generate_options(const emend_generate_options* given) {
  constexpr std::size_t kOldest = offsetof(emend_generate_options, top);
  return options_of(given, emend_generate_options EMEND_GENERATE_OPTIONS_INIT, kOldest);
}

PromptOptions prompt_options(const emend_generate_options& options, const Model& model, Progress& progress) {
  PromptOptions how;
  how.bos = text_of(options.bos, "auto");
  how.form = form_of(options.form);
  how.max_new = options.max_new;
  how.temperature = options.temperature;
  how.seed = options.seed;
  how.token_budget = settled_token_budget(options.token_budget, model);
  how.top = options.top;
  how.progress = &progress;
  check_prompt_options(how);
  progress.poll();
  return how;
}

// `write` gives the text of a result from model, prompt and options.
template <typename Write>
emend_status generate(emend_model* model, const char* prompt, const emend_generate_options* given,
                      emend_text** text, const char* name, Write write) {
  require_given(text, name);
  *text = nullptr;
  const ModelCall call(model);
  require_given(prompt, "prompt");
  const emend_generate_options options = generate_options(given);
  CallbackProgress progress(options.progress, options.progress_data, &call);
  give_text(text, write(call->model, prompt, prompt_options(options, call->model, progress)));
  return EMEND_OK;
}

std::string continuation(const Model& model, const char* prompt, const PromptOptions& how) {
  if (how.top != 0) throw Error(ErrorKind::kUsage, "top is for emend_generate_report");
  return completion_text(model.tokenizer(), continue_prompt(model, prompt_tokens(model, prompt, how), how));
}

std::string continuation_report(const Model& model, const char* prompt, const PromptOptions& how) {
  if (how.top < 0) throw Error(ErrorKind::kUsage, fmt::format("top must be at least 0, found {}", how.top));
  return to_json(run_prompt(model, prompt, how), prompt);
}

emend_status check_file(const char* path, const char* dtype, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  require_given(path, "path");
  const ModelCheck found = check_model_file(path, parse_compute_type(text_of(dtype, "float32")));
  give_text(json, to_json(found));
  return found.refusal ? note_status(EMEND_BAD_INPUT, found.refusal->what()) : EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_model_load(const char* path, const emend_load_options* options, emend_model** model) {
  return guarded([&] { return load(path, options, model); });
}

emend_status emend_model_free(emend_model* model) {
  return guarded([&] {
    HandleTable::shared().remove(HandleKind::kModel, as_number(model), "model");
    return EMEND_OK;
  });
}

emend_status emend_model_info(emend_model* model, emend_text** json) {
  return guarded([&] {
    require_given(json, "json");
    *json = nullptr;
    const ModelCall call(model);
    give_text(json, emend::to_json(call->model));
    return EMEND_OK;
  });
}

emend_status emend_model_summary(emend_model* model, emend_text** json) {
  return guarded([&] {
    require_given(json, "json");
    *json = nullptr;
    const ModelCall call(model);
    const emend::ModelSummary summary = emend::summarize_model(call->model);
    give_text(json, emend::to_json(summary, call->model));
    return EMEND_OK;
  });
}

emend_status emend_model_check(emend_model* model, emend_text** json) {
  return guarded([&] {
    require_given(json, "json");
    *json = nullptr;
    const ModelCall call(model);
    emend::check_tokenizer(call->model);
    give_text(json, emend::to_json(emend::check_model(call->model), call->model));
    return EMEND_OK;
  });
}

emend_status emend_model_check_file(const char* path, const char* dtype, emend_text** json) {
  return guarded([&] { return check_file(path, dtype, json); });
}

emend_status emend_model_digest(emend_model* model, emend_text** hex) {
  return guarded([&] {
    require_given(hex, "hex");
    *hex = nullptr;
    const ModelCall call(model);
    give_text(hex, call->model.weights_digest());
    return EMEND_OK;
  });
}

emend_status emend_cancel(emend_model* model) {
  return guarded([&] {
    ++find_object<ModelObject>(HandleKind::kModel, model, "model")->cancellations;
    return EMEND_OK;
  });
}

emend_status emend_generate(emend_model* model, const char* prompt, const emend_generate_options* options,
                            emend_text** text) {
  return guarded([&] { return generate(model, prompt, options, text, "text", continuation); });
}

emend_status emend_generate_report(emend_model* model, const char* prompt,
                                   const emend_generate_options* options, emend_text** json) {
  return guarded([&] { return generate(model, prompt, options, json, "json", continuation_report); });
}
