// Runs from files to files: a first edit file, records as edit files, questions for other programs, a run
// made again.
#include <fmt/format.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <utility>

#include "base/dump_json.h"
#include "base/files.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "bindings/python/token_budget.h"
#include "emend/convert_run.h"
#include "emend/error.h"
#include "emend/harness.h"
#include "emend/reproduce.h"
#include "pipeline/failure.h"
#include "pipeline/first_edit.h"
#include "reports/export_report.h"
#include "reports/first_edit_report.h"
#include "reports/reproduce_report.h"

namespace emend::python {
namespace {

Warned init_file(Session& session, nb::handle path, const nb::dict& given, nb::object progress) {
  Options options(given);
  FirstEditFile asked;
  options.take("opening", asked.opening);
  options.take("form", asked.form);
  options.take("bos", asked.bos);
  asked.token_budget = take_token_budget(options, session);
  options.require_all_taken();
  asked.file = path_of(path);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const FirstEdit first = write_first_edit(session.model, asked, watcher);
  std::vector<std::string> warnings;
  if (!first.known) warnings.push_back(unknown_facts_remark(first, asked.file));
  const std::string line = first_edit_line(first, asked.file);
  Report report{.json = dump_json(first_edit_json(first, asked.file)),
                .text = line,
                .brief = line.substr(0, line.size() - 1),
                .page = {}};
  return {std::move(report), std::move(warnings)};
}

Report convert_records(const nb::dict& given) {
  Options options(given);
  ConvertOptions how;
  options.take("dataset", how.dataset);
  options.take("file", how.in);
  options.take("out", how.out);
  options.take("limit", how.limit);
  options.require_all_taken();
  const nb::gil_scoped_release no_gil;
  require_writable_file(how.out);
  return report_of(convert_facts(how));
}

Report report_of_export(const EvaluationExport& outcome) {
  return {.json = dump_json(evaluation_export_json(outcome)),
          .text = evaluation_export_text(outcome),
          .brief = {},
          .page = {}};
}

Report export_to_harness(nb::handle given, nb::handle to) {
  const std::filesystem::path from = path_of(given), out = path_of(to);
  const nb::gil_scoped_release no_gil;
  require_writable_folder(out);
  return report_of_export(std::filesystem::is_directory(from) ? export_harness_results(from, out)
                                                              : export_harness_task(from, out));
}

Report export_to_promptfoo(nb::handle given, nb::handle to, const std::string& provider,
                           const std::string& url) {
  const std::filesystem::path edits = path_of(given), out = path_of(to);
  const nb::gil_scoped_release no_gil;
  require_writable_folder(out);
  return report_of_export(export_promptfoo(edits, out, provider, url));
}

// Throws what the program ended with, by its exit code.
void require_done(int code, const std::string& message) {
  if (code == kExitDone || code == kExitCheckFailed) return;
  const std::string text = fmt::format("the repeated run ended with exit code {}: {}", code, message);
  for (const auto& [known, kind] :
       {std::pair{kExitNumeric, ErrorKind::kNumeric}, std::pair{kExitBadInput, ErrorKind::kConfig},
        std::pair{kExitUsage, ErrorKind::kUsage}, std::pair{kExitInterrupted, ErrorKind::kInterrupted}})
    if (code == known) throw Error(kind, text);
  throw std::runtime_error(text);  // an error inside it, or a signal
}

// `run`: runs the program with arguments, returns its exit code and what it wrote to stderr.
std::pair<bool, Report> reproduce_run(nb::handle path, const nb::dict& given, const nb::object& run) {
  Options options(given);
  ReproduceOptions how;
  options.take("model", how.model);
  options.take("out", how.out);
  options.require_all_taken();
  const std::filesystem::path file = path_of(path);
  const nb::gil_scoped_release no_gil;
  const ReproduceOutcome outcome = reproduce(file, how, [&](const std::vector<std::string>& arguments) {
    const auto [code, message] = [&] {
      const nb::gil_scoped_acquire gil;
      return nb::cast<std::pair<int, std::string>>(run(arguments));
    }();
    require_done(code, message);
  });
  Report report{.json = dump_json(reproduce_json(outcome, file.string())),
                .text = reproduce_text(outcome, 0),
                .brief = {},
                .page = {}};
  return {outcome.reproduced, std::move(report)};
}

}  // namespace

void bind_file_calls(nb::module_& module, ModelClass& model) {
  model.def("init_file", init_file, nb::arg("path"), nb::arg("options"), nb::arg("progress").none());
  module.def("convert_facts", convert_records, nb::arg("options"));
  module.def("export_harness", export_to_harness, nb::arg("source"), nb::arg("out"));
  module.def("export_promptfoo", export_to_promptfoo, nb::arg("edits"), nb::arg("out"), nb::arg("provider"),
             nb::arg("url"));
  module.def("reproduce", reproduce_run, nb::arg("path"), nb::arg("options"), nb::arg("run"));
}

}  // namespace emend::python
