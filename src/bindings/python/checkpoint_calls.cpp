// Checkpoints: what one is and what works with it, what became of one, and a write in place taken back.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "bindings/python/named_patches.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/model_check.h"
#include "emend/model_summary.h"
#include "emend/patch_run.h"
#include "emend/write_back.h"
#include "pipeline/subject_questions.h"
#include "reports/check_report.h"

namespace emend::python {
namespace {

Report revert_write(nb::handle path, nb::handle undo_path) {
  const std::filesystem::path model = path_of(path);
  std::filesystem::path undo = undo_path.is_none() ? std::filesystem::path() : path_of(undo_path);
  const nb::gil_scoped_release no_gil;
  if (undo.empty()) undo = last_undo_file(model);
  return report_of(RevertOutcome{model, undo, revert(model, undo)});
}

// Of the headers; and unless `headers` alone are asked for and where they are not refused, all is loaded.
std::pair<bool, Report> check_checkpoint(nb::handle path, const nb::dict& given, nb::object progress) {
  Options options(given);
  bool headers = false;
  options.take("headers", headers);
  const ModelOptions how = take_model_options(options);
  options.require_all_taken();
  const std::filesystem::path file = path_of(path);
  PythonProgress watcher(std::move(progress));
  const nb::gil_scoped_release no_gil;
  const ModelCheck check = check_model_file(file, how.dtype);
  Report report = report_of(check);
  if (headers || check.refusal) return {!check.refusal, std::move(report)};
  const Model model = Model::load(file, how, watcher);
  report.text += weights_check_text(model) + tokenizer_check_text(check_tokenizer(model));
  report.json = to_json(check, model);
  return {true, std::move(report)};
}

SubjectQuestions take_questions(Options& options, const Session& session) {
  SubjectQuestions asked;
  options.take("base", asked.base);
  options.take("subjects", asked.subjects);
  options.take("unedited", asked.unedited);
  options.take("edited_score", asked.how.threshold);
  options.take("false_alarms", asked.false_alarms);
  options.take("statistics", asked.how.statistics);
  asked.how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  check_questions(asked);
  return asked;
}

Warned inspect_model(Session& session, const Named& patches, const nb::dict& given, nb::object progress) {
  Options options(given);
  SubjectQuestions asked = take_questions(options, session);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  read_questions(asked);
  const std::vector<NamedPatch> known = copies_of(patches);
  std::optional<InspectBase> base;
  if (!asked.base.empty()) base = load_inspect_base(asked.base, session.loading, known, watcher);
  InspectOutcome outcome =
      inspect_checkpoint(session.model, base, known, asked.how.token_budget, watcher,
                         asked.candidates.empty() ? InspectDirections::kLeaveOut : InspectDirections::kFind);
  answer_questions(session.model, asked, session.loading, outcome, watcher);
  return {report_of(outcome, session.model), outcome.warnings};
}

}  // namespace

void bind_checkpoint_calls(nb::module_& module, ModelClass& model) {
  module.def("revert", revert_write, nb::arg("model"), nb::arg("undo").none());
  module.def("check_model", check_checkpoint, nb::arg("path"), nb::arg("options"),
             nb::arg("progress").none());
  model.def("inspect", inspect_model, nb::arg("patches"), nb::arg("options"), nb::arg("progress").none());
}

}  // namespace emend::python
