// Feed-forward layers as key-value memories: the analyses of the C interface with Python's models and
// patches.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <utility>

#include "base/dump_json.h"
#include "bindings/c_api/memory_analyses.h"
#include "bindings/python/named_patches.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "emend/error.h"

namespace emend::python {
namespace {

using c_api::AnalysisInput;
using c_api::AnalysisNeeds;
using c_api::AnalysisResult;
using c_api::AnalysisRun;

// The models of a call; nullptr: none is given.
struct Models {
  SessionPtr first, second;
};

void require_models(const c_api::MemoryAnalysis& analysis, const Models& models) {
  const std::string wanted = c_api::model_word(analysis.needs);
  const int count = (models.first ? 1 : 0) + (models.second ? 1 : 0);
  const bool fits = wanted == "two"        ? count == 2
                    : wanted == "none"     ? count == 0
                    : wanted == "possible" ? !models.second
                                           : models.first && !models.second;
  if (!fits)
    throw Error(ErrorKind::kUsage, analysis.name + ": the number of models is wrong, wanted: " + wanted);
}

// Runs on the models as they were loaded; the GIL is released meanwhile.
AnalysisResult run_on(const Models& models, const AnalysisRun& run, AnalysisInput input) {
  if (!models.first) {
    const nb::gil_scoped_release gil;
    return run(input);
  }
  input.model = &models.first->model;
  if (!models.second) {
    const BaseTurn turn(*models.first);
    return run(input);
  }
  input.second = &models.second->model;
  const BasePairTurn turn(*models.first, *models.second);
  return run(input);
}

std::pair<PatchPtr, Report> analyse(const std::string& name, const std::string& options, SessionPtr first,
                                    SessionPtr second, const Named& patches, nb::object progress) {
  const c_api::MemoryAnalysis& analysis = c_api::analysis_named(name);
  const Models models{std::move(first), std::move(second)};
  require_models(analysis, models);
  const AnalysisRun run = c_api::prepared_analysis(analysis, options.c_str());
  AnalysisInput input;
  input.patches = copies_of(patches);
  if (analysis.needs == AnalysisNeeds::kModelAndPatches && input.patches.empty())
    throw Error(ErrorKind::kUsage, "patches: at least 1 must be given, found 0");
  PythonProgress watcher(std::move(progress));
  input.progress = &watcher;
  AnalysisResult result = run_on(models, run, std::move(input));
  Report report{.json = dump_json(result.json), .text = {}, .brief = name, .page = {}};
  if (result.text) report.text = result.text();
  if (result.page) report.page = [models, page = result.page] { return page(); };
  return {result.patch ? std::make_shared<Patch>(std::move(*result.patch)) : nullptr, std::move(report)};
}

// {"explain": {"model": "needed", "options": [{"name", "type", "default" or "needed"}, ...]}, ...}
std::string described_analyses() {
  ResultJson list = ResultJson::object();
  for (const c_api::MemoryAnalysis& analysis : c_api::memory_analyses()) {
    c_api::JsonOptions options(nullptr, analysis.name);
    analysis.prepare(options);
    list[analysis.name] = {{"model", c_api::model_word(analysis.needs)}, {"options", options.description()}};
  }
  return dump_json(list);
}

}  // namespace

void bind_memory_calls(nb::module_& module) {
  module.def("memories", analyse, nb::arg("analysis"), nb::arg("options"), nb::arg("first").none(),
             nb::arg("second").none(), nb::arg("patches"), nb::arg("progress").none());
  module.def("memory_analyses", described_analyses);
}

}  // namespace emend::python
