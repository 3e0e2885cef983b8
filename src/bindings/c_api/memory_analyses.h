// The analyses of feed-forward memories as the C interface calls them: options as JSON, a result as JSON.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "bindings/c_api/json_options.h"
#include "emend/model.h"
#include "emend/patch.h"
#include "emend/patch_run.h"
#include "emend/progress.h"

namespace emend::c_api {

// What an analysis works on, besides its options.
enum class AnalysisNeeds { kNoModel, kPossiblyModel, kModel, kTwoModels, kModelAndPatches, kModelForPatch };

struct AnalysisInput {
  Model* model = nullptr;         // nullptr: none is given
  const Model* second = nullptr;  // of kTwoModels
  std::vector<NamedPatch> patches = {};
  Progress* progress = nullptr;
};

struct AnalysisResult {
  ResultJson json;
  std::optional<Patch> patch = std::nullopt;  // of kModelForPatch
  // The tables that the program prints, and the page that it writes with --report; empty: it has none. They
  // read the model, which must be there when they are called.
  std::function<std::string()> text = {}, page = {};
};

// What runs when its options have been taken.
using AnalysisRun = std::function<AnalysisResult(const AnalysisInput&)>;

struct MemoryAnalysis {
  std::string name;
  AnalysisNeeds needs;
  // Takes the options and gives what runs with them. Throws Error(kUsage) for an option that cannot be.
  std::function<AnalysisRun(JsonOptions&)> prepare;
};

// All of them, in the order of `emend memories --help`.
const std::vector<MemoryAnalysis>& memory_analyses();

// Throws Error(kUsage) with the nearest name if there is none of this name.
const MemoryAnalysis& analysis_named(const std::string& name);

// What an analysis wants of a model: "needed", "possible", "none" or "two".
const char* model_word(AnalysisNeeds needs);

// The analysis with `options`, the text of a JSON object; nullptr: none. Throws Error(kUsage) naming an
// option that it does not have, one that is needed and left out, and one of another type.
AnalysisRun prepared_analysis(const MemoryAnalysis& analysis, const char* options);

// Its parts: those that read a model, those that ask it about prompts and triggers, and those that read
// indexes.
std::vector<MemoryAnalysis> model_analyses();
std::vector<MemoryAnalysis> prompt_analyses();
std::vector<MemoryAnalysis> index_analyses();

// An analysis whose options are the fields of a struct.
template <typename Settings>
MemoryAnalysis make_analysis(const char* name, AnalysisNeeds needs, void (*take)(JsonOptions&, Settings&),
                             AnalysisResult (*run)(const AnalysisInput&, Settings)) {
  return {name, needs, [take, run](JsonOptions& options) {
            Settings settings;
            take(options, settings);
            return [run, settings](const AnalysisInput& input) { return run(input, settings); };
          }};
}

}  // namespace emend::c_api
