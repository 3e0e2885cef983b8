// Patches: files, verifying, writing into checkpoints and adapters, taking apart and putting together.
#include <fmt/format.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "base/strings.h"
#include "bindings/python/named_patches.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/adapter.h"
#include "emend/error.h"
#include "emend/patch.h"
#include "emend/patch_algebra.h"
#include "emend/patch_run.h"

namespace emend::python {
namespace {

PatchPtr load(nb::handle path) {
  const std::filesystem::path file = path_of(path);
  const nb::gil_scoped_release no_gil;
  return std::make_shared<Patch>(load_patch(file));
}

void save(const Patch& patch, nb::handle path) {
  const std::filesystem::path file = path_of(path);
  const nb::gil_scoped_release no_gil;
  if (patch.edit.changes.empty())
    throw Error(ErrorKind::kModel, "the patch changes nothing, so there is nothing to save");
  save_patch(patch, file);
}

Report diff(const Patch& first, const Patch& second) {
  return report_of(diff_patches(first, second));
}

std::pair<bool, Report> verify(Session& session, const Named& patches, const nb::dict& given,
                               nb::object progress) {
  Options options(given);
  const VerifyOptions how{take_token_budget(options, session)};
  options.require_all_taken();
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const VerifyOutcome outcome = verify_patches(session.model, copies_of(patches), how, watcher);
  return {outcome.passed, report_of(outcome, session.model)};
}

ApplyOptions take_apply_options(Options& options, const Session& session) {
  ApplyOptions how;
  options.take("out", how.out);
  options.take("in_place", how.in_place);
  options.take("undo", how.undo);
  options.take("type", how.type);
  options.take("statistics", how.statistics);
  options.take("imatrix", how.imatrix);
  options.take("force", how.force);
  options.take("check", how.check);
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  if (how.in_place != how.out.empty()) throw Error(ErrorKind::kUsage, "either out or in_place must be given");
  return how;
}

Report apply(Session& session, const Named& patches, const nb::dict& given, nb::object progress) {
  Options options(given);
  const ApplyOptions how = take_apply_options(options, session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  PreparedWrite prepared = prepare_write(session.model, copies_of(patches), how, watcher);
  return report_of(finish_write(std::move(prepared), session.loading, how, watcher));
}

AdapterFormat format_of(const std::string& name) {
  if (name == "lora") return AdapterFormat::kPeft;
  if (name == "gguf-lora") return AdapterFormat::kGguf;
  throw Error(ErrorKind::kUsage, fmt::format("format must be lora or gguf-lora, found {}", quote(name)));
}

Report export_adapters(Session& session, const Named& given_patches, const nb::dict& given) {
  Options options(given);
  AdapterOptions how;
  std::string format;
  bool force = false;
  options.take("format", format);
  options.take("out", how.out);
  options.take("base_name", how.base_name);
  options.take("force", force);
  options.require_all_taken();
  how.format = format_of(format);
  const BaseTurn turn(session);
  const std::vector<NamedPatch> patches = copies_of(given_patches);
  std::vector<std::string> warnings = require_usable(patches, force);
  for (const NamedPatch& patch : patches) require_base(patch.patch, session.model, patch.name);
  AdapterOutcome outcome = export_adapter(session.model, without_names(patches), how);
  outcome.warnings = std::move(warnings);
  return report_of(outcome, session.model);
}

ComposeOptions take_compose_options(Options& options, const Session& session) {
  ComposeOptions how;
  options.take("statistics", how.statistics);
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  return how;
}

using Composed = std::pair<PatchPtr, Report>;

Composed composed(const ComposeOutcome& outcome, const Model& model) {
  return {std::make_shared<Patch>(outcome.patch), report_of(outcome, model)};
}

Composed drop(Session& session, const std::string& name, const Patch& patch, const std::string& id,
              const nb::dict& given, nb::object progress) {
  Options options(given);
  const ComposeOptions how = take_compose_options(options, session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  return composed(drop_edit(session.model, {name, patch}, id, how, watcher), session.model);
}

Composed merge(Session& session, const Named& patches, const nb::dict& given, nb::object progress) {
  Options options(given);
  const ComposeOptions how = take_compose_options(options, session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  return composed(merge_edits(session.model, copies_of(patches), how, watcher), session.model);
}

}  // namespace

void bind_patch(nb::module_& module) {
  nb::class_<Patch>(module, "Patch")
      .def_prop_ro("passed", [](const Patch& patch) { return patch.passed; })
      .def_prop_ro("changes", [](const Patch& patch) { return patch.edit.changes.size(); })
      .def_prop_ro("base_fingerprint", [](const Patch& patch) { return patch.edit.base_fingerprint; })
      .def_prop_ro("blocks",
                   [](const Patch& patch) {
                     std::vector<int> blocks;
                     for (const WeightChange& change : patch.edit.changes)
                       blocks.push_back(change.weight.block);
                     return blocks;
                   })
      .def("save", save, nb::arg("path"))
      .def(
          "report", [](const Patch& patch, nb::handle file) { return report_of(patch, path_of(file)); },
          nb::arg("file"));
  module.def("load_patch", load, nb::arg("path"));
  module.def("diff_patches", diff, nb::arg("first"), nb::arg("second"));
}

void bind_patch_calls(ModelClass& model) {
  model.def("verify", verify, nb::arg("patches"), nb::arg("options"), nb::arg("progress").none())
      .def("apply", apply, nb::arg("patches"), nb::arg("options"), nb::arg("progress").none())
      .def("export_adapters", export_adapters, nb::arg("patches"), nb::arg("options"))
      .def("drop", drop, nb::arg("name"), nb::arg("patch"), nb::arg("id"), nb::arg("options"),
           nb::arg("progress").none())
      .def("merge", merge, nb::arg("patches"), nb::arg("options"), nb::arg("progress").none());
}

}  // namespace emend::python
