// emend_locate
#include <algorithm>
#include <cstddef>
#include <limits>

#include "base/files.h"
#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/report.h"

namespace emend::c_api {
namespace {

TraceOptions trace_options(const emend_locate_options& options, const Model& model) {
  TraceOptions trace;
  trace.form = form_of(options.form);
  trace.noise = parse_noise(text_of(options.noise, "s3"));
  trace.noise.numpy = options.reference_noise != 0;
  trace.samples = options.samples;
  trace.window = options.window;
  if (options.knockout_window > std::numeric_limits<int>::max())
    throw Error(ErrorKind::kUsage, "knockout_window is too large");
  trace.knockout_window = static_cast<int>(std::max<std::int64_t>(options.knockout_window, -1));
  trace.estimates = options.estimates != 0;
  trace.severed = options.severed != 0;
  trace.knockout = options.knockout != 0;
  trace.exact_share = options.exact_share;
  trace.seed = options.seed;
  trace.token_budget = settled_token_budget(options.token_budget, model);
  return trace;
}

LocateOptions locate_options(const emend_locate_options& options, const Model& model) {
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
  how.trace = trace_options(options, model);
  how.statistics = text_of(options.statistics, "");
  how.trial = options.trial;
  how.trial_layers = numbers_of(options.layers, options.layer_count, "layers");
  how.check = options.check;
  how.trial_data = text_of(options.trial_data, "");
  how.trial_dataset = text_of(options.trial_dataset, "");
  how.method = text_of(options.method, "");
  how.keep_decision = options.keep_decision != 0;
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
  const LocateOptions how = locate_options(options, call->model);
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
