// Edits: from an edit file, or the text of one, to a patch; and patches on a model and off again.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "base/nearest.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/edit_run.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "emend/patch_run.h"
#include "pipeline/drift_budget.h"
#include "reports/edit_page.h"

namespace emend::python {
namespace {

// A file, or the text of one with the name that stands for it in messages; and what is said instead of it.
EditFile take_edit_file(Options& options) {
  std::filesystem::path file, folder;
  std::string text, name;
  options.take("file", file);
  options.take("text", text);
  options.take("name", name);
  options.take("folder", folder);
  EditFile edits = file.empty() ? parse_edit_file(text, name, folder) : read_edit_file(file);
  const std::optional<LayerChoice> layer = take_layer(options);
  if (std::string method; options.take("method", method), !method.empty()) {
    require_method("method", method);
    edits.method = method;
    edits.method_where = "method";
  }
  options.take("statistics", edits.statistics);
  options.take("bos", edits.bos);
  options.take("form", edits.form);
  if (std::string protect; options.take("protect", protect), !protect.empty()) {
    const auto parsed = parse_protect(protect);
    if (!parsed)
      throw Error(ErrorKind::kUsage, "protect must be none, neighbours or auto, found \"" + protect + '"' +
                                         did_you_mean(protect, {"none", "neighbours", "auto"}));
    edits.protect = *parsed;
  }
  if (std::string end; options.take("end", end), !end.empty()) {
    const auto parsed = parse_target_end(end);
    if (!parsed)
      throw Error(ErrorKind::kUsage, "end must be auto, eos or none, found \"" + end + '"' +
                                         did_you_mean(end, {"auto", "eos", "none"}));
    edits.end = *parsed;
  }
  if (layer) edits.layer = *layer;
  return edits;
}

EditRunOptions take_run_options(Options& options, const Session& session) {
  EditRunOptions how;
  options.take("seed", how.seed);
  options.take("keep_going", how.keep_going);
  options.take("on", how.on);
  options.take("memory_bytes", how.memory_bytes);
  options.take("run_file", how.run_file);
  options.take("resume", how.resume);
  std::string drift;
  int batch = 0;
  options.take("budget_drift", drift);
  options.take("budget_batch", batch);
  if (!drift.empty()) how.budget = parse_drift_budget(drift);
  if (batch != 0 && !how.budget)
    throw Error(ErrorKind::kUsage, "budget_batch says how often budget_drift measures: give that, too");
  if (batch != 0) how.budget->batch = batch;
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  return how;
}

std::pair<std::shared_ptr<Patch>, Report> edit(Session& session, const nb::dict& given, nb::object progress) {
  Options options(given);
  const EditFile file = take_edit_file(options);
  const EditRunOptions how = take_run_options(options, session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const auto outcome = std::make_shared<EditOutcome>(run_edit(session.model, file, how, watcher));
  Report report = report_of(*outcome, session.model);
  report.page = [outcome] { return edit_page(*outcome); };
  return {std::shared_ptr<Patch>(outcome, &outcome->patch), std::move(report)};
}

Report plan(Session& session, const nb::dict& given, nb::object progress) {
  Options options(given);
  const EditFile file = take_edit_file(options);
  const EditRunOptions how = take_run_options(options, session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  return report_of(plan_edit(session.model, file, how, watcher), session.model);
}

// The number by which it is taken off, 0 of a patch that changes nothing; and what `force` let pass.
using Laid = std::pair<std::uint64_t, std::vector<std::string>>;

// Lays a patch over what is on the model. Together they must be what may be applied together.
Laid lay(Session& session, const Patch& patch, const std::string& name, bool force) {
  const Turn turn(session);
  if (patch.edit.changes.empty()) return {0, {}};
  require_base(patch, session.model, name);
  std::vector<NamedPatch> together;
  for (const auto& [number, laid] : session.laid) {
    together.push_back(laid);
    together.back().patch.passed = true;  // whether it may lie there was decided when it was laid
  }
  together.push_back({name, patch});
  std::vector<std::string> warnings = require_usable(together, force);
  const std::uint64_t number = session.stack.push(patch.edit.changes);
  session.laid.emplace(number, together.back());
  return {number, std::move(warnings)};
}

bool take_off(Session& session, std::uint64_t number) {
  const Turn turn(session);
  session.laid.erase(number);
  return session.stack.remove(number);
}

}  // namespace

void bind_edit_calls(ModelClass& model) {
  model.def("edit", edit, nb::arg("options"), nb::arg("progress").none())
      .def("plan", plan, nb::arg("options"), nb::arg("progress").none())
      .def("lay", lay, nb::arg("patch"), nb::arg("name"), nb::arg("force"))
      .def("take_off", take_off, nb::arg("number"));
}

}  // namespace emend::python
