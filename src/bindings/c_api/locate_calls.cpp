// emend_locate
#include <fmt/format.h>

#include <cstddef>
#include <limits>
#include <utility>

#include "base/files.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/editor.h"
#include "emend/report.h"

namespace emend::c_api {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kUsage, message);
}

void require_one_source(const emend_locate_options& options) {
  const bool prompt = options.prompt != nullptr || options.subject != nullptr;
  if (prompt == (options.facts != nullptr))
    refuse("either a prompt with its subject or a file of facts must be given");
  if (!prompt) {
    if (options.answer != nullptr || options.occurrence != 0)
      refuse("answer and occurrence go with a prompt; a file of facts names them fact by fact");
    return;
  }
  require_given(options.prompt, "prompt");
  require_given(options.subject, "subject");
  if (options.out != nullptr || options.limit != 0 || options.trial != 0 || options.shards > 1)
    refuse("out, limit, trial and shards go with a file of facts only");
}

void require_sound(const emend_locate_options& options) {
  require_token_budget(options.token_budget);
  require_one_source(options);
  if (options.samples < 1) refuse("samples must be at least 1, found " + std::to_string(options.samples));
  if (!(options.exact_share > 0 && options.exact_share <= 1))
    refuse("exact_share must be above 0 and at most 1, found " + std::to_string(options.exact_share));
  for (const auto& [name, value] : {std::pair<const char*, std::int64_t>("occurrence", options.occurrence),
                                    {"limit", options.limit},
                                    {"window", options.window},
                                    {"knockout_window", options.knockout_window},
                                    {"trial", options.trial},
                                    {"check", options.check}})
    if (value < 0) refuse(std::string(name) + " must be at least 0, found " + std::to_string(value));
  if (options.knockout_window > std::numeric_limits<int>::max()) refuse("knockout_window is too large");
  if (options.shard < 0 || options.shard >= options.shards)
    refuse(fmt::format("there is no shard {} of {} (counted from 0)", options.shard, options.shards));
  if (options.shards > 1 && options.out == nullptr) refuse("shards need out, a folder that all parts share");
  if (options.shards > 1 && options.trial > 0)
    refuse("a trial does not go with shards: run it once all are done");
  if (options.resume != 0 && options.out == nullptr) refuse("resume needs out, the folder to go on with");
  if (options.trial == 0 &&
      (options.check != 0 || options.layer_count != 0 || options.trial_data != nullptr ||
       options.trial_dataset != nullptr || options.method != nullptr))
    refuse("check, layers, trial_data, trial_dataset and method go with a trial only");
}

TraceOptions trace_options(const emend_locate_options& options) {
  TraceOptions trace;
  trace.form = form_of(options.form);
  trace.noise = parse_noise(text_of(options.noise, "s3"));
  trace.noise.numpy = options.reference_noise != 0;
  trace.samples = options.samples;
  trace.window = options.window;
  trace.knockout_window = static_cast<int>(options.knockout_window);
  trace.estimates = options.estimates != 0;
  trace.severed = options.severed != 0;
  trace.knockout = options.knockout != 0;
  trace.exact_share = options.exact_share;
  trace.seed = options.seed;
  trace.token_budget = options.token_budget;
  return trace;
}

LocateOptions locate_options(const emend_locate_options& options) {
  LocateOptions how;
  how.prompt = text_of(options.prompt, "");
  how.subject = text_of(options.subject, "");
  how.answer = text_of(options.answer, "");
  how.occurrence = options.occurrence;
  how.facts = text_of(options.facts, "");
  how.limit = options.limit;
  how.out = text_of(options.out, "");
  how.resume = options.resume != 0;
  how.shard = options.shard;
  how.shards = options.shards;
  how.bos = text_of(options.bos, "auto");
  how.trace = trace_options(options);
  how.statistics = text_of(options.statistics, "");
  how.trial = options.trial;
  how.trial_layers = numbers_of(options.layers, options.layer_count, "layers");
  how.check = options.check;
  how.trial_data = text_of(options.trial_data, "");
  how.trial_dataset = text_of(options.trial_dataset, "");
  how.method = text_of(options.method, "rome");
  require_method("method", how.method);
  return how;
}

emend_status locate(emend_model* model, const emend_locate_options* given, emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  const ModelCall call(model);
  require_given(given, "options");
  constexpr std::size_t kOldest = offsetof(emend_locate_options, knockout_window);
  const emend_locate_options options =
      options_of(given, emend_locate_options EMEND_LOCATE_OPTIONS_INIT, kOldest);
  require_sound(options);
  const LocateOptions how = locate_options(options);
  const LocateInput input = read_locate_input(how);
  if (options.out != nullptr) require_writable_folder(options.out);
  BaseRun run(call, options.progress, options.progress_data);
  const LocateOutcome outcome = run_locate(call->model, input, how, run.progress);
  give_text(json, to_json(outcome, call->model));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_locate(emend_model* model, const emend_locate_options* options, emend_text** json) {
  return guarded([&] { return locate(model, options, json); });
}
