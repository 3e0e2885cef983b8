// What edits do to a model besides the facts: abilities, and whether they survive; and two benchmarks beside
// each other.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "base/dump_json.h"
#include "base/files.h"
#include "bindings/python/named_patches.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/abilities.h"
#include "emend/adapter.h"
#include "emend/eval_results.h"
#include "emend/survive_run.h"
#include "io/output_check.h"
#include "reports/abilities_report.h"
#include "reports/survive_report.h"

namespace emend::python {
namespace {

Warned compare_folders(nb::handle first, nb::handle second, const nb::dict& given) {
  Options options(given);
  BootstrapOptions how;
  options.take("seed", how.seed);
  options.take("draws", how.draws);
  options.require_all_taken();
  const std::filesystem::path a = path_of(first), b = path_of(second);
  const nb::gil_scoped_release no_gil;
  const Comparison comparison = compare_runs(a, b, how);
  return {report_of(comparison), comparison.warnings};
}

Warned abilities(Session& session, const Named& patches, const nb::dict& given, nb::object progress) {
  Options options(given);
  std::vector<std::filesystem::path> data;
  std::filesystem::path out;
  AbilityOptions how;
  options.take("data", data);
  options.take("out", out);
  options.take("bos", how.bos);
  options.take("seed", how.bootstrap.seed);
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  if (!out.empty()) require_writable_folder(out);
  for (const char* name : {kAbilitiesFile, kItemsFile})
    if (!out.empty()) require_not_among(out / name, data);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const std::vector<AbilityTask> tasks = read_ability_tasks(data);
  const std::vector<NamedPatch> laid = copies_of(patches);
  std::vector<std::string> warnings = require_stack(laid, session.model);
  const auto outcome = std::make_shared<AbilityOutcome>(
      measure_abilities(session.model, tasks, changes_of(laid), how, watcher));
  if (!out.empty()) write_abilities(out, *outcome, tasks, names_of(patches), session.model);
  Report report = report_of(*outcome, names_of(patches), session.model);
  report.page = [outcome, model = session.model.path()] { return abilities_page(*outcome, model); };
  return {std::move(report), std::move(warnings)};
}

// All but the adapters, whose folders go to `adapters`.
SurviveOptions take_survive_options(Options& options, const Named& later, const Session& session,
                                    std::vector<std::filesystem::path>& adapters) {
  SurviveOptions how;
  options.take("types", how.types);
  options.take("adapters", adapters);
  options.take("statistics", how.statistics);
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  how.later = copies_of(later);
  return how;
}

Warned survive(const SessionPtr& session, const Named& patches, const Named& later, const nb::dict& given,
               nb::object progress) {
  Options options(given);
  std::vector<std::filesystem::path> adapters;
  SurviveOptions how = take_survive_options(options, later, *session, adapters);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(*session);
  for (const std::filesystem::path& folder : adapters) how.adapters.push_back(read_lora_adapter(folder));
  const auto outcome =
      std::make_shared<SurviveOutcome>(survive_edits(session->model, copies_of(patches), how, watcher));
  Report report{.json = dump_json(survive_json(*outcome, session->model)),
                .text = survive_text(*outcome, 0),
                .brief = {},
                .page = [session, outcome] { return survive_page(*outcome, session->model); }};
  return {std::move(report), outcome->warnings};
}

}  // namespace

void bind_effect_calls(nb::module_& module, ModelClass& model) {
  module.def("compare_runs", compare_folders, nb::arg("first"), nb::arg("second"), nb::arg("options"));
  model.def("abilities", abilities, nb::arg("patches"), nb::arg("options"), nb::arg("progress").none())
      .def("survive", survive, nb::arg("patches"), nb::arg("later"), nb::arg("options"),
           nb::arg("progress").none());
}

}  // namespace emend::python
