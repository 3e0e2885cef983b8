#include "eval/results/repeatable_files.h"

#include <algorithm>

#include "eval/results/results_file.h"

namespace emend {

std::vector<std::filesystem::path> repeatable_files(const BenchmarkOutcome& outcome) {
  std::vector<std::filesystem::path> files;
  for (const EvalResults& method : outcome.methods) {
    files.push_back(method.folder / kRecordsFile);
    if (!std::filesystem::is_directory(method.folder / kCurveFolder)) continue;
    for (const auto& entry : std::filesystem::directory_iterator(method.folder / kCurveFolder))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace emend
