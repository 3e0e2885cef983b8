// Benchmarks of editors.
#include <nanobind/stl/shared_ptr.h>

#include <memory>

#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/eval_run.h"
#include "reports/eval_page.h"
#include "reports/eval_report.h"

namespace emend::python {
namespace {

void take_records(Options& options, BenchmarkOptions& how) {
  std::string mode = "single";
  std::optional<std::string> curve;
  options.take("dataset", how.dataset);
  options.take("data", how.data);
  options.take("first_record", how.first_record);
  options.take("end_record", how.end_record);
  options.take("known", how.known);
  options.take("mode", mode);
  options.take("curve", curve);
  how.mode = parse_eval_mode(mode);
  if (curve) how.curve = parse_curve(*curve);
}

void take_methods(Options& options, BenchmarkOptions& how) {
  std::vector<std::string> methods;
  std::vector<std::filesystem::path> files;
  options.take("methods", methods);
  options.take("method_files", files);
  const std::optional<LayerChoice> layer = take_layer(options);
  options.take("statistics", how.statistics);
  for (const std::string& name : methods) require_method("methods", name, benchmark_editors());
  how.methods = benchmark_methods(methods, files);
  if (layer) how.layer = *layer;
}

void take_questions(Options& options, BenchmarkOptions& how) {
  options.take("bos", how.bos);
  options.take("form", how.form);
  options.take("both_forms", how.both_forms);
  options.take("seed", how.seed);
  options.take("plus", how.plus);
  options.take("edited_neighbours", how.edited_neighbours);
  options.take("other_subjects", how.other_subjects);
  options.take("hold_out", how.hold_out);
  options.take("natural", how.natural);
  options.take("sampled", how.sampled);
  options.take("temperature", how.temperature);
  options.take("forms", how.forms);
  options.take("forms_file", how.forms_file);
  options.take("generations", how.generations);
  options.take("snippets", how.snippets);
  options.take("idf", how.idf);
  options.take("drift_text", how.drift_text);
  options.take("drift_tokens", how.drift_tokens);
}

Report evaluate(Session& session, const nb::dict& given, nb::object progress) {
  Options options(given);
  BenchmarkOptions how;
  take_records(options, how);
  take_methods(options, how);
  take_questions(options, how);
  options.take("out", how.out);
  options.take("resume", how.resume);
  BenchmarkConditions conditions;
  conditions.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  Benchmark work(how);
  const auto outcome = std::make_shared<BenchmarkOutcome>(work.run(session.model, watcher, conditions));
  if (!outcome->methods.empty()) write_eval_reports(*outcome);
  Report report = report_of(*outcome);
  report.page = [outcome] { return eval_page(outcome->methods); };
  return report;
}

}  // namespace

void bind_benchmark_calls(ModelClass& model) {
  model.def("evaluate", evaluate, nb::arg("options"), nb::arg("progress").none());
}

}  // namespace emend::python
