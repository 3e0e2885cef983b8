#include "bindings/c_api/memory_analyses.h"

#include <fmt/format.h>

#include "base/nearest.h"
#include "base/strings.h"
#include "emend/error.h"

namespace emend::c_api {

const std::vector<MemoryAnalysis>& memory_analyses() {
  static const std::vector<MemoryAnalysis> all = [] {
    std::vector<MemoryAnalysis> analyses = model_analyses();
    for (auto more : {prompt_analyses(), index_analyses()})
      for (MemoryAnalysis& analysis : more) analyses.push_back(std::move(analysis));
    return analyses;
  }();
  return all;
}

const MemoryAnalysis& analysis_named(const std::string& name) {
  std::vector<std::string> known;
  for (const MemoryAnalysis& analysis : memory_analyses()) {
    if (analysis.name == name) return analysis;
    known.push_back(analysis.name);
  }
  throw Error(ErrorKind::kUsage,
              fmt::format("analysis: there is no analysis {}{}", quote(name), did_you_mean(name, known)));
}

const char* model_word(AnalysisNeeds needs) {
  switch (needs) {
    case AnalysisNeeds::kNoModel:
      return "none";
    case AnalysisNeeds::kPossiblyModel:
      return "possible";
    case AnalysisNeeds::kTwoModels:
      return "two";
    default:
      return "needed";
  }
}

AnalysisRun prepared_analysis(const MemoryAnalysis& analysis, const char* options) {
  JsonOptions values(options, analysis.name);
  AnalysisRun run = analysis.prepare(values);
  values.require_all_taken();
  return run;
}

}  // namespace emend::c_api
