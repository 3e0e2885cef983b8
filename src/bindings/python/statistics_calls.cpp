// Statistics on disk: what a folder holds, and folders put together, taken from other programs and given to
// them.
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/files.h"
#include "bindings/python/options.h"
#include "bindings/python/progress.h"
#include "bindings/python/report.h"
#include "bindings/python/session.h"
#include "emend/statistics.h"
#include "emend/statistics_job.h"
#include "reports/statistics_page.h"
#include "reports/statistics_report.h"

namespace emend::python {
namespace {

// `spectra`: the layers whose eigenvalues are told.
Report show_statistics(nb::handle path, const std::vector<int>& spectra, nb::object progress) {
  const std::filesystem::path folder = path_of(path);
  PythonProgress watcher(std::move(progress));
  const nb::gil_scoped_release no_gil;
  const StatisticsSummary summary = summarize_statistics(folder, spectra, watcher);
  Report report = report_of(summary);
  report.page = [summary, folder] { return statistics_html(stored_page(summary, folder)); };
  return report;
}

// Throws Error(kModel) unless the folder's layers are of the model.
void require_statistics(Session& session, nb::handle path, const std::string& bos) {
  const std::filesystem::path folder = path_of(path);
  const BaseTurn turn(session);
  require_statistics_of(session.model, resolve_bos(session.model.tokenizer(), bos), folder);
}

Report merge_statistics_folders(const nb::dict& given, nb::object progress) {
  Options options(given);
  std::vector<std::filesystem::path> folders;
  std::filesystem::path out;
  options.take("folders", folders);
  options.take("out", out);
  options.require_all_taken();
  require_writable_folder(out);
  PythonProgress watcher(std::move(progress));
  const nb::gil_scoped_release no_gil;
  return report_of(merge_into(folders, out, watcher));
}

Report import_statistics(Session& session, const nb::dict& given, nb::object progress) {
  Options options(given);
  std::vector<std::filesystem::path> files;
  std::filesystem::path out;
  std::string bos;
  bool trusted = false;
  options.take("files", files);
  options.take("out", out);
  options.take("bos", bos);
  options.take("trust_model_name", trusted);
  options.require_all_taken();
  if (files.empty()) throw Error(ErrorKind::kUsage, "files: at least 1 must be given, found 0");
  require_trusted_origin(files.front(), session.model.path(), trusted);
  require_writable_folder(out);
  PythonProgress watcher(std::move(progress));
  const BaseTurn turn(session);
  const StatisticsSummary summary =
      import_into(files, session.model, resolve_bos(session.model.tokenizer(), bos), out, watcher);
  return {.json = to_json(summary, &session.model),
          .text = full_report(summary) + import_remark(summary) + "\n",
          .brief = brief_report(summary),
          .page = {}};
}

Report export_importance_matrix(nb::handle from, nb::handle to) {
  const std::filesystem::path folder = path_of(from), out = path_of(to);
  const nb::gil_scoped_release no_gil;
  return report_of(ImatrixOutcome{export_imatrix(folder, out), out});
}

}  // namespace

void bind_statistics_calls(nb::module_& module, ModelClass& model) {
  module.def("show_statistics", show_statistics, nb::arg("folder"), nb::arg("spectra"),
             nb::arg("progress").none());
  module.def("merge_statistics", merge_statistics_folders, nb::arg("options"), nb::arg("progress").none());
  module.def("export_imatrix", export_importance_matrix, nb::arg("folder"), nb::arg("out"));
  model.def("require_statistics", require_statistics, nb::arg("folder"), nb::arg("bos"))
      .def("import_statistics", import_statistics, nb::arg("options"), nb::arg("progress").none());
}

}  // namespace emend::python
