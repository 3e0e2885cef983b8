#include "bindings/python/progress.h"

#include "bindings/python/report.h"

namespace emend::python {
namespace {

constexpr std::chrono::milliseconds kBetweenCalls(50);

}  // namespace

void PythonProgress::begin(std::string_view stage, std::int64_t total, std::string_view unit) {
  stage_ = stage;
  unit_ = unit;
  total_ = total;
  call(0, "");
}

void PythonProgress::update(std::int64_t done, std::string_view note) {
  if (std::chrono::steady_clock::now() - called_ >= kBetweenCalls) call(done, note);
}

void PythonProgress::end() {
  call(total_, "");
  stage_.clear();
  unit_.clear();
  total_ = 0;
}

void PythonProgress::note(std::string_view text) {
  call(0, text);
}

void PythonProgress::poll() {
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

void PythonProgress::call(std::int64_t done, std::string_view note) {
  called_ = std::chrono::steady_clock::now();
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
  if (!function_.is_none()) function_(to_str(stage_), done, total_, to_str(unit_), to_str(std::string(note)));
}

}  // namespace emend::python
