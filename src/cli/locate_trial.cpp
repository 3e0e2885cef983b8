#include "cli/locate_trial.h"

#include <set>

#include "base/strings.h"
#include "cli/layer_list.h"
#include "cli/load_model.h"
#include "datasets/json_records.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "emend/statistics_store.h"
#include "eval/fit.h"
#include "eval/layer_trial.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// Goes away with its object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "emend-trial-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw Error(ErrorKind::kIo, "cannot make a folder in " + fs::temp_directory_path().string());
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string dataset_of(const fs::path& file) {
  const JsonRecords records(file);
  const JsonView first = records.at(0);
  if (first.has("target")) return "emend";
  if (first.has("attribute") && first.has("relation_id")) return "known";
  throw Error(ErrorKind::kUsage, "--trial edits facts, and " + file.string() +
                                     " names no targets: give edits with --trial-data FILE and --trial-dataset NAME (emend eval's names)");
}

}  // namespace

DatasetFile read_trial_data(const LocateOptions& options) {
  const fs::path file = options.trial_data.empty() ? options.facts : options.trial_data;
  return read_dataset(options.trial_dataset.empty() ? dataset_of(file) : options.trial_dataset, file);
}

std::vector<int> trial_layers(const LocateOptions& options, const std::vector<LayerScore>& ranking, const ModelConfig& config) {
  return options.trial_layers.empty() ? trial_candidates(ranking, config) : parse_layers(options.trial_layers, config.layers, "--trial-layers");
}

std::vector<EvalRecord> choose_records(const LocateOptions& options, const DatasetFile& data, const TraceResult& traces, const TrialPart& part) {
  std::set<std::string> correct;
  for (const FactTrace& trace : traces.traces)
    if (trace.correct) correct.insert(trace.prompt);
  std::vector<EvalRecord> chosen;
  std::int64_t passed = 0;
  for (const EvalRecord& record : data.records) {
    if (options.trial_data.empty() && !correct.contains(record.request.prompt)) continue;
    if (passed++ < part.skip) continue;
    chosen.push_back(record);
    if (static_cast<std::int64_t>(chosen.size()) == part.count) break;
  }
  if (chosen.empty()) throw Error(ErrorKind::kConfig, "--" + part.name + ": there is no fact left to edit: the model knows " + std::to_string(passed) +
                                        " of those asked for, and " + std::to_string(part.skip) + " are passed over");
  return chosen;
}

std::vector<TrialScore> run_trial(Model& model, const LocateOptions& options, DatasetFile data, std::vector<EvalRecord> records,
                                  const std::vector<int>& layers, const std::string& name, Console& console) {
  const std::unique_ptr<Editor> editor = make_editor(options.method, {});
  LayerTrial trial;
  trial.editor = editor.get();
  trial.context.prefix = options.trace.prefix;
  trial.context.form = options.trace.form;
  trial.context.seed = options.common.seed;
  trial.context.token_budget = options.common.token_budget;
  trial.layers = layers;
  trial.records = std::move(records);
  fit_records(model, trial.records, check_options(trial.context.prefix, trial.context.form, options.common), {}, data);
  trial.model_fingerprint = model.fingerprint();
  trial.resume = options.resume;
  StatisticsOptions collecting;
  collecting.seed = trial.context.seed;
  collecting.token_budget = trial.context.token_budget;
  Statistics statistics;
  if (editor->needs_statistics())
    statistics = StatisticsStore(model, trial.context.prefix, options.common.statistics)
                     .layers(trial.layers, collecting, console.progress());
  trial.context.statistics = editor->needs_statistics() ? &statistics : nullptr;
  std::optional<TemporaryFolder> temporary;
  if (options.out.empty()) temporary.emplace();
  trial.folder = options.out.empty() ? temporary->path() : fs::path(options.out) / name;
  return run_layer_trial(model, trial, console.progress());
}

std::string trial_text(const std::vector<TrialScore>& trial, std::size_t columns) {
  Table table({{"layer", Align::kRight}, {"score", Align::kRight}, {"95 %", Align::kRight}, {"efficacy", Align::kRight}, {"paraphrase", Align::kRight},
               {"neighbourhood", Align::kRight}, {"facts", Align::kRight}});
  const auto part = [](const TrialScore& score, const char* name) {
    const auto found = score.parts.find(name);
    return found == score.parts.end() ? std::string("-") : percent_text(found->second);
  };
  for (const TrialScore& score : trial)
    table.add_row({std::to_string(score.layer), number_text(score.score), "± " + number_text(score.ci95, 2), part(score, "efficacy_success"),
                   part(score, "paraphrase_success"), part(score, "neighbourhood_success"), std::to_string(score.facts)});
  return table.text(columns);
}

bool holds_on_other_facts(const std::vector<TrialScore>& check, int chosen) {
  for (const TrialScore& score : check)
    if (score.layer == chosen) return score.score >= check.front().score - check.front().ci95;
  return false;
}

std::string check_text(const std::vector<TrialScore>& check, int chosen) {
  return std::string("On facts that the trial did not use, layer ") + std::to_string(chosen) +
         (holds_on_other_facts(check, chosen) ? " is within" : " is below") + " the 95 % interval of the best layer there, " +
         std::to_string(check.front().layer) + ".\n";
}

}  // namespace emend
