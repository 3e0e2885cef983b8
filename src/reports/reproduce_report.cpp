#include "reports/reproduce_report.h"

#include <fmt/format.h>

#include "emend/version.h"
#include "report/table.h"

namespace emend {

std::string reproduce_text(const ReproduceOutcome& outcome, std::size_t columns) {
  Table table({{"output"}, {"SHA-256 then"}, {"now"}});
  for (const ReproducedOutput& output : outcome.outputs)
    table.add_row({output.name, output.then.substr(0, 16),
                   output.same()        ? "the same bytes"
                   : output.now.empty() ? "was not made"
                                        : output.now.substr(0, 16)});
  std::string text = table.text(columns);
  for (const ReproduceDifference& difference : outcome.differences)
    text += fmt::format("Not as it was: {} ({} then, {} now).\n", difference.what, difference.then,
                        difference.now);
  if (outcome.reproduced) return text + "Reproduced.\n";
  return text + (outcome.differences.empty()
                     ? "Not reproduced, although versions, model, data and conditions are the same.\n"
                     : "Not reproduced.\n");
}

ResultJson reproduce_json(const ReproduceOutcome& outcome, const std::string& file) {
  ResultJson outputs = ResultJson::array(), differences = ResultJson::array();
  for (const ReproducedOutput& output : outcome.outputs)
    outputs.push_back(
        {{"name", output.name}, {"then", output.then}, {"now", output.now}, {"same", output.same()}});
  for (const ReproduceDifference& difference : outcome.differences)
    differences.push_back({{"what", difference.what}, {"then", difference.then}, {"now", difference.now}});
  return {{"emend", emend_version()},          {"file", file},
          {"command", outcome.record.command}, {"outputs", outputs},
          {"differences", differences},        {"reproduced", outcome.reproduced},
          {"seconds", outcome.seconds}};
}

}  // namespace emend
