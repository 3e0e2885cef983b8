#include "eval/results/provenance.h"

#include "base/strings.h"
#include "report/numbers.h"

namespace emend {
namespace {

std::string with_fingerprint(const std::string& path, const std::string& fingerprint) {
  return fingerprint.empty() ? path : path + ", fingerprint " + fingerprint;
}

std::string options_text(const std::map<std::string, std::string>& options) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : options) parts.push_back(name + ": " + value);
  return join(parts);
}

std::string seconds_text(const std::map<std::string, double>& seconds) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : seconds) parts.push_back(name + " " + human_seconds(value));
  return join(parts);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> provenance(const EvalSummary& summary) {
  const std::string statistics = summary.statistics_fingerprint.empty()
                                     ? "none (C = I)"
                                     : "fingerprint " + summary.statistics_fingerprint;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"data set",
       summary.dataset + (summary.data_path.empty()
                              ? ""
                              : ", " + with_fingerprint(summary.data_path, summary.data_fingerprint))},
      {"model", with_fingerprint(summary.model_path, summary.model_fingerprint)},
      {"family", summary.family},
      {"method", summary.method},
      {"options", options_text(summary.options)},
      {"mode", summary.mode},
      {"statistics", statistics},
      {"seed", std::to_string(summary.seed)},
      {"token budget", count_text(summary.token_budget)},
      {"type, device", summary.dtype + ", " + summary.device},
      {"emend", summary.emend},
      {"time", seconds_text(summary.seconds)},
  };
  for (auto& [name, value] : facts)
    if (value.empty()) value = "none";
  return facts;
}

}  // namespace emend
