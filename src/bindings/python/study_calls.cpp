// Where a model keeps facts, and the second moments that edits rest on.
#include <nanobind/stl/shared_ptr.h>

#include <memory>
#include <numeric>

#include "base/files.h"
#include "base/layer_number.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/editor.h"
#include "emend/locate_run.h"
#include "emend/statistics_job.h"
#include "pipeline/locate_options.h"
#include "reports/locate_report.h"
#include "reports/statistics_page.h"

namespace emend::python {
namespace {

TraceOptions take_trace_options(Options& options, const Session& session) {
  TraceOptions trace;
  std::string noise = "s3";
  bool reference_noise = false;
  options.take("noise", noise);
  options.take("reference_noise", reference_noise);
  trace.noise = parse_noise(noise);
  trace.noise.numpy = reference_noise;
  options.take("form", trace.form);
  options.take("samples", trace.samples);
  options.take("window", trace.window);
  options.take("knockout_window", trace.knockout_window);
  options.take("severed", trace.severed);
  options.take("knockout", trace.knockout);
  options.take("exact_share", trace.exact_share);
  options.take("estimates", trace.estimates);
  options.take("seed", trace.seed);
  trace.token_budget = take_token_budget(options, session);
  return trace;
}

LocateOptions take_locate_options(Options& options, const Session& session) {
  LocateOptions how;
  how.trace = take_trace_options(options, session);
  options.take("prompt", how.prompt);
  options.take("subject", how.subject);
  options.take("answer", how.answer);
  options.take("occurrence", how.occurrence);
  options.take("facts", how.facts);
  options.take("limit", how.limit);
  options.take("out", how.out);
  options.take("resume", how.resume);
  options.take("bos", how.bos);
  options.take("statistics", how.statistics);
  options.take("trial", how.trial);
  options.take("trial_layers", how.trial_layers);
  options.take("check", how.check);
  options.take("trial_data", how.trial_data);
  options.take("trial_dataset", how.trial_dataset);
  options.take("method", how.method);
  options.take("keep_decision", how.keep_decision);
  options.require_all_taken();
  check_locate_options(how);
  return how;
}

Report locate(const std::shared_ptr<Session>& session, const nb::dict& given, nb::object progress) {
  Options options(given);
  const LocateOptions how = take_locate_options(options, *session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(*session);
  const LocateInput input = read_locate_input(how);
  if (!how.out.empty()) require_writable_folder(how.out);
  const auto outcome = std::make_shared<LocateOutcome>(run_locate(session->model, input, how, watcher));
  Report report = report_of(*outcome, session->model);
  report.page = [session, outcome, how] { return locate_page(locate_report(*outcome, how, session->model)); };
  return report;
}

StatisticsOptions take_statistics_options(Options& options, const Session& session) {
  StatisticsOptions how;
  std::string bos = "auto";
  options.take("corpus", how.corpus);
  options.take("text_field", how.text_field);
  options.take("layers", how.layers);
  options.take("tokens", how.tokens);
  options.take("until", how.until);
  options.take("bos", bos);
  options.take("seed", how.seed);
  options.take("window", how.window);
  options.take("memory_bytes", how.memory_bytes);
  how.token_budget = take_token_budget(options, session);
  how.prefix = resolve_bos(session.model.tokenizer(), bos);
  const int count = session.model.config().layers;
  for (const int layer : how.layers) require_layer("layers", layer, count);
  if (how.layers.empty()) {
    how.layers.resize(static_cast<std::size_t>(count));
    std::iota(how.layers.begin(), how.layers.end(), 0);
  }
  return how;
}

Report statistics(const std::shared_ptr<Session>& session, const nb::dict& given, nb::object progress) {
  Options options(given);
  StatisticsJob job;
  options.take("folder", job.folder.path);
  options.take("resume", job.folder.resume);
  options.take("plan_only", job.dry_run);
  options.take("texts", job.texts);
  const StatisticsOptions how = take_statistics_options(options, *session);
  options.require_all_taken();
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(*session);
  if (job.folder.path.empty()) job.folder.path = default_statistics_folder(session->model, how.prefix);
  if (!job.dry_run) require_writable_folder(job.folder.path);
  const auto outcome = std::make_shared<StatisticsOutcome>(run_statistics(session->model, how, job, watcher));
  Report report = report_of(*outcome, session->model);
  if (!job.dry_run)
    report.page = [session, outcome, how] {
      return statistics_html(collected_page(*outcome, how, session->model, outcome->folder));
    };
  return report;
}

}  // namespace

void bind_study_calls(ModelClass& model) {
  model.def("locate", locate, nb::arg("options"), nb::arg("progress").none())
      .def("statistics", statistics, nb::arg("options"), nb::arg("progress").none());
}

}  // namespace emend::python
