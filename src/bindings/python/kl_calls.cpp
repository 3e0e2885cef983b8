// How far models are from each other on a text, and how far an edit moves a model's own answers.
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

#include "base/dump_json.h"
#include "bindings/python/named_patches.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/answer_kl.h"
#include "emend/edit.h"
#include "emend/error.h"
#include "emend/kl_run.h"
#include "reports/answer_kl_report.h"
#include "reports/kl_report.h"

namespace emend::python {
namespace {

// Models are loaded one at a time, so this takes files and no model.
Warned kl(const nb::dict& given, nb::object progress) {
  Options options(given);
  KlRunOptions run;
  std::optional<std::int64_t> token_budget;
  options.take("model", run.model);
  options.take("base", run.base);
  options.take("patches", run.patches);
  options.take("quantised", run.quantised);
  options.take("edited_quantised", run.edited_quantised);
  options.take("text", run.how.text);
  options.take("bos", run.how.bos);
  options.take("seed", run.bootstrap.seed);
  options.take("token_budget", token_budget);
  const ModelOptions loading = take_model_options(options);
  options.require_all_taken();
  run.how.token_budget = token_budget.value_or(0);
  PythonProgress watcher(std::move(progress));
  const nb::gil_scoped_release no_gil;
  const KlOutcome outcome = run_kl(run, loading, watcher);
  Report report{.json = dump_json(kl_json(outcome)), .text = kl_text(outcome, 0), .brief = {}, .page = {}};
  return {std::move(report), outcome.warnings};
}

Warned write_base(Session& session, const Named& patches, nb::handle path, const nb::dict& given,
                  nb::object progress) {
  Options options(given);
  KlWriteOptions what;
  KlOptions how;
  options.take("text", what.text);
  options.take("context", what.context);
  options.take("chunks", what.chunks);
  options.take("bos", how.bos);
  how.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  const std::filesystem::path file = path_of(path);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const std::vector<NamedPatch> laid = copies_of(patches);
  std::vector<std::string> warnings = require_stack(laid, session.model);
  const ScopedEdit scope(session.model, changes_of(laid));
  const KlWritten written = write_kl_base(session.model, file, what, how, watcher);
  Report report{.json = dump_json(kl_written_json(written, session.model)),
                .text = kl_written_text(written),
                .brief = {},
                .page = {}};
  return {std::move(report), std::move(warnings)};
}

// `file`: questions, one a line; or else `questions`.
std::vector<std::string> take_questions_asked(Options& options) {
  std::filesystem::path file;
  std::vector<std::string> questions;
  options.take("file", file);
  options.take("questions", questions);
  return file.empty() ? questions : read_questions(file);
}

Warned answer_kl(Session& session, const Named& patches, const nb::dict& given, nb::object progress) {
  Options options(given);
  const std::vector<std::string> questions = take_questions_asked(options);
  AnswerKlReport found;
  options.take("tokens", found.options.tokens);
  options.take("form", found.options.form);
  options.take("bos", found.options.bos);
  options.take("seed", found.options.bootstrap.seed);
  found.options.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  found.patches = names_of(patches);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const std::vector<NamedPatch> laid = copies_of(patches);
  std::vector<std::string> warnings = require_stack(laid, session.model);
  found.questions = measure_answer_kl(session.model, questions, changes_of(laid), found.options, watcher);
  found.figures = answer_kl_figures(found.questions, found.options.bootstrap);
  Report report{.json = dump_json(answer_kl_json(found, session.model)),
                .text = answer_kl_text(found, 0),
                .brief = {},
                .page = {}};
  return {std::move(report), std::move(warnings)};
}

}  // namespace

void bind_kl_calls(nb::module_& module, ModelClass& model) {
  module.def("kl", kl, nb::arg("options"), nb::arg("progress").none());
  model
      .def("write_kl_base", write_base, nb::arg("patches"), nb::arg("path"), nb::arg("options"),
           nb::arg("progress").none())
      .def("answer_kl", answer_kl, nb::arg("patches"), nb::arg("options"), nb::arg("progress").none());
}

}  // namespace emend::python
