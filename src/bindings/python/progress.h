// The library's progress as calls of a Python function, and Ctrl-C while the library works.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "bindings/python/bind.h"
#include "emend/progress.h"

namespace emend::python {

// Calls function(stage, done, total, unit, note) at the beginning and the end of each stage, for remarks
// (stage is empty then), and in between at most every 50 ms. A Python exception, also KeyboardInterrupt, ends
// the run and goes on to its caller. The GIL is taken for the calls: the run itself has released it. Made and
// destroyed under the GIL.
class PythonProgress : public Progress {
 public:
  // `function` may be None: then only Ctrl-C is looked for.
  explicit PythonProgress(nb::object function) : function_(std::move(function)) {}

  void begin(std::string_view stage, std::int64_t total, std::string_view unit) override;
  void update(std::int64_t done, std::string_view note) override;
  void end() override;
  void note(std::string_view text) override;
  void poll() override;

 private:
  void call(std::int64_t done, std::string_view note);

  nb::object function_;
  std::string stage_, unit_;
  std::int64_t total_ = 0;
  std::chrono::steady_clock::time_point called_;
};

}  // namespace emend::python
