// emend_benchmark*, emend_convert_facts
#include <cstddef>

#include "bindings/c_api/call.h"
#include "bindings/c_api/objects.h"
#include "emend/convert_run.h"
#include "emend/editor.h"
#include "emend/eval_results.h"
#include "emend/eval_run.h"
#include "emend/report.h"
#include "reports/eval_report.h"

namespace emend::c_api {
namespace {

void require_sound(const emend_benchmark_options& options) {
  require_given(options.dataset, "dataset");
  require_given(options.data, "data");
  require_given(options.out, "out");
  if (options.other_subjects < 0)
    throw Error(ErrorKind::kUsage,
                "other_subjects must be at least 0, found " + std::to_string(options.other_subjects));
  if (options.first_record < 0 || (options.end_record >= 0 && options.end_record <= options.first_record))
    throw Error(ErrorKind::kUsage, "records must be from first_record >= 0 to a higher end_record, found " +
                                       std::to_string(options.first_record) + " to " +
                                       std::to_string(options.end_record));
}

std::vector<MethodFile> methods_of(const emend_benchmark_options& options) {
  const std::vector<std::string> files =
      texts_of(options.method_files, options.method_file_count, "method_files");
  const std::vector<std::string> names = texts_of(options.methods, options.method_count, "methods");
  for (const std::string& name : names) require_method("methods", name, benchmark_editors());
  return benchmark_methods(names, {files.begin(), files.end()});
}

void fill_questions(const emend_benchmark_options& options, BenchmarkOptions& benchmark) {
  benchmark.plus = options.plus != 0;
  benchmark.both_forms = options.both_forms != 0;
  benchmark.edited_neighbours = options.edited_neighbours != 0;
  benchmark.other_subjects = options.other_subjects;
  benchmark.natural = options.natural;
  benchmark.sampled = options.sampled;
  benchmark.temperature = options.temperature;
  benchmark.forms = text_of(options.forms, "");
  benchmark.forms_file = text_of(options.forms_file, "");
  benchmark.hold_out = options.hold_out != 0;
  benchmark.generations = options.generations;
  benchmark.snippets = text_of(options.snippets, "");
  benchmark.idf = text_of(options.idf, "");
  benchmark.drift_text = text_of(options.drift_text, "");
  benchmark.drift_tokens = options.drift_tokens;
}

BenchmarkOptions benchmark_options(const emend_benchmark_options& options) {
  BenchmarkOptions benchmark;
  benchmark.dataset = options.dataset;
  benchmark.data = options.data;
  benchmark.first_record = options.first_record;
  benchmark.end_record = options.end_record;
  benchmark.known = options.known != 0;
  benchmark.mode = parse_eval_mode(text_of(options.mode, "single"));
  if (options.curve != nullptr) benchmark.curve = parse_curve(options.curve);
  benchmark.methods = methods_of(options);
  if (options.layer == EMEND_LAYER_DEPTH) benchmark.layer = {{}, "layer EMEND_LAYER_DEPTH"};
  if (options.layer >= 0) benchmark.layer = {{options.layer}, "layer " + std::to_string(options.layer)};
  benchmark.statistics = text_of(options.statistics, "");
  benchmark.bos = text_of(options.bos, "auto");
  benchmark.form = form_of(options.form);
  benchmark.seed = options.seed;
  fill_questions(options, benchmark);
  benchmark.out = options.out;
  benchmark.resume = options.resume != 0;
  benchmark.shard = options.shard;
  benchmark.shards = options.shards;
  return benchmark;
}

emend_status benchmark(emend_model* model, const emend_benchmark_options* given, emend_text** json) {
  if (json != nullptr) *json = nullptr;
  const ModelCall call(model);
  require_given(given, "options");
  constexpr std::size_t kOldest = offsetof(emend_benchmark_options, curve);
  const emend_benchmark_options options =
      options_of(given, emend_benchmark_options EMEND_BENCHMARK_OPTIONS_INIT, kOldest);
  require_sound(options);
  BenchmarkConditions conditions;
  conditions.token_budget = settled_token_budget(options.token_budget, call->model);
  Benchmark work(benchmark_options(options));
  BaseRun run(call, options.progress, options.progress_data);
  const BenchmarkOutcome outcome = work.run(call->model, run.progress, conditions);
  if (!outcome.methods.empty()) write_eval_reports(outcome);
  if (json != nullptr) give_text(json, to_json(outcome));
  return EMEND_OK;
}

emend_status compare(const char* first, const char* second, const emend_compare_options* given,
                     emend_text** json) {
  require_given(json, "json");
  *json = nullptr;
  require_given(first, "first");
  require_given(second, "second");
  const emend_compare_options options = options_of(given, emend_compare_options EMEND_COMPARE_OPTIONS_INIT);
  if (options.draws < 1)
    throw Error(ErrorKind::kUsage, "draws must be at least 1, found " + std::to_string(options.draws));
  const Comparison comparison =
      compare_runs(std::filesystem::path(first), second, {options.seed, options.draws});
  give_text(json, to_json(comparison));
  return EMEND_OK;
}

emend_status convert(const char* dataset, const char* in, const char* out, const emend_convert_options* given,
                     emend_text** json) {
  if (json != nullptr) *json = nullptr;
  require_given(dataset, "dataset");
  require_given(in, "in");
  require_given(out, "out");
  const emend_convert_options options = options_of(given, emend_convert_options EMEND_CONVERT_OPTIONS_INIT);
  if (options.limit < 0)
    throw Error(ErrorKind::kUsage, "limit must be at least 0, found " + std::to_string(options.limit));
  const ConvertOptions how{dataset, in, out, options.limit};
  const ConvertOutcome outcome = convert_facts(how);
  if (json != nullptr) give_text(json, to_json(outcome));
  return EMEND_OK;
}

}  // namespace
}  // namespace emend::c_api

using namespace emend::c_api;

emend_status emend_benchmark(emend_model* model, const emend_benchmark_options* options, emend_text** json) {
  return guarded([&] { return benchmark(model, options, json); });
}

emend_status emend_benchmark_compare(const char* first, const char* second,
                                     const emend_compare_options* options, emend_text** json) {
  return guarded([&] { return compare(first, second, options, json); });
}

emend_status emend_convert_facts(const char* dataset, const char* in, const char* out,
                                 const emend_convert_options* options, emend_text** json) {
  return guarded([&] { return convert(dataset, in, out, options, json); });
}
