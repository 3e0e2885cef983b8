// What a run found out, as emend/report.h tells it.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/python/bind.h"
#include "emend/report.h"

namespace emend::python {

struct Report {
  std::string json, text, brief;
  std::function<std::string()> page;  // the HTML document; empty: this run has none
};

// `more`: what to_json takes besides the outcome.
template <typename Outcome, typename... More>
Report report_of(const Outcome& outcome, const More&... more) {
  return {to_json(outcome, more...), full_report(outcome), brief_report(outcome), {}};
}

// A report, and warnings that the caller is to hear.
using Warned = std::pair<Report, std::vector<std::string>>;

// Text of a model may end inside a character.
nb::str to_str(const std::string& text);

}  // namespace emend::python
