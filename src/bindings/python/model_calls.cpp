// Loading a model, wrapping one that Python holds, and what it is.
#include <nanobind/stl/function.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/tensors.h"
#include "emend/model_summary.h"
#include "emend/version.h"
#include "emend/wrap_model.h"

namespace emend::python {
namespace {

SessionPtr load(nb::handle path, const nb::dict& given, nb::object progress) {
  Options options(given);
  ModelOptions how = take_model_options(options);
  options.take("weight_bytes", how.weight_bytes);
  options.require_all_taken();
  const std::filesystem::path file = path_of(path);
  PythonProgress watcher(std::move(progress));
  const nb::gil_scoped_release no_gil;
  return std::make_shared<Session>(Model::load(file, how, watcher), how);
}

ModelOptions options_like(const Model& model) {
  ModelOptions how;
  how.device = Placement::parse(model.devices());
  how.dtype = model.compute_type();
  return how;
}

// `tensors`: names and tensors, a list that is emptied, so that nothing here holds what was moved; `moved`:
// called with a name and the tensor that takes its place.
SessionPtr wrap(nb::list tensors, const nb::dict& given, const nb::object& moved) {
  Options options(given);
  WrapOptions how;
  options.take("config", how.config);
  options.take("path", how.path);
  options.take("tokenizer", how.tokenizer);
  options.require_all_taken();
  how.moved = [&](const std::string& name, const at::Tensor& view) {
    const nb::gil_scoped_acquire gil;
    moved(name, to_python(view));
  };
  std::vector<GivenTensor> held;
  for (const nb::handle entry : tensors)
    held.push_back({nb::cast<std::string>(entry[0]), from_python(entry[1])});
  tensors.attr("clear")();
  const nb::gil_scoped_release no_gil;
  Model model = wrap_model(std::move(held), how);
  ModelOptions loading = options_like(model);
  return std::make_shared<Session>(std::move(model), loading);
}

nb::dict info(Session& session) {
  const ModelConfig& config = session.model.config();
  nb::dict info;
  info["path"] = session.model.path().string();
  info["family"] = config.family;
  info["layers"] = config.layers;
  info["d_model"] = config.d_model;
  info["d_ff"] = config.d_ff;
  info["vocab"] = config.vocab;
  info["max_positions"] = config.max_positions;
  info["fingerprint"] = session.model.fingerprint();
  info["device"] = session.model.devices();
  info["dtype"] = to_string(session.model.compute_type());
  return info;
}

Report summary(Session& session) {
  const ReadingTurn turn(session);
  const ModelSummary summary = summarize_model(session.model);
  return {to_json(summary, session.model),
          full_report(summary, session.model),
          brief_report(summary, session.model),
          {}};
}

std::string digest(Session& session) {
  const ReadingTurn turn(session);
  return session.model.weights_digest();
}

// The same without the edits that lie on it.
std::string base_digest(Session& session) {
  const BaseTurn turn(session);
  return session.model.weights_digest();
}

// Block, name in the checkpoint, and whether it is stored [in, out].
std::vector<std::tuple<int, std::string, bool>> down_projections(Session& session) {
  std::vector<std::tuple<int, std::string, bool>> entries;
  for (const RoleEntry& entry : session.model.roles())
    if (entry.role == Role::kMlpDown)
      entries.emplace_back(entry.block, entry.tensor, entry.stored_transposed);
  return entries;
}

// The down projection of a block as it is now, with the edits that lie on it.
nb::object down_projection(Session& session, int block) {
  at::Tensor weight;
  {
    const ReadingTurn turn(session);
    weight = std::as_const(session.model).weight({block, Role::kMlpDown, -1});
  }
  return to_python(weight);
}

}  // namespace

void bind_model(nb::module_& module) {
  module.def("version", [] { return emend_version(); });
  module.def("load", load, nb::arg("path"), nb::arg("options"), nb::arg("progress").none());
  module.def("wrap", wrap, nb::arg("tensors"), nb::arg("options"), nb::arg("moved"));
  ModelClass model(module, "Model");
  model.def_prop_ro("info", info)
      .def("summary", summary)
      .def("digest", digest)
      .def("base_digest", base_digest)
      .def("down_projection", down_projection, nb::arg("block"))
      .def("down_projections", down_projections);
  bind_text_calls(model);
  bind_edit_calls(model);
  bind_patch_calls(model);
  bind_study_calls(model);
  bind_benchmark_calls(model);
  bind_effect_calls(module, model);
  bind_kl_calls(module, model);
  bind_statistics_calls(module, model);
  bind_file_calls(module, model);
  bind_checkpoint_calls(module, model);
}

}  // namespace emend::python
