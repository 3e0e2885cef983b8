#include "emend/locate_run.h"

#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <set>
#include <utility>

#include "analysis/causal_trace/fact_steps.h"
#include "analysis/layer_choice.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_place.h"
#include "base/files.h"
#include "base/layer_number.h"
#include "base/temporary_folder.h"
#include "datasets/json_records.h"
#include "datasets/trace_facts.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "emend/statistics_store.h"
#include "eval/fit.h"
#include "pipeline/layer_trial.h"
#include "pipeline/locate_options.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

// What the records of a facts file are, by their first one.
std::string dataset_of(const fs::path& file) {
  const JsonRecords records(file);
  const JsonView first = records.at(0);
  if (first.has("target")) return "emend";
  if (first.has("attribute") && first.has("relation_id")) return "known";
  throw Error(
      ErrorKind::kUsage,
      fmt::format(
          "the option trial edits facts, and {} names no targets: give edits with the option "
          "trial-data, and their form with the option trial-dataset, as one of a benchmark's data sets",
          file.string()));
}

std::string method_of(const LocateOptions& options) {
  return options.method.empty() ? kDefaultMethod : options.method;
}

DatasetFile read_trial_data(const LocateOptions& options) {
  const fs::path& file = options.trial_data.empty() ? options.facts : options.trial_data;
  return read_dataset(options.trial_dataset.empty() ? dataset_of(file) : options.trial_dataset, file);
}

TraceFact asked_fact(const LocateOptions& options) {
  TraceFact fact;
  fact.id = "prompt";
  fact.prompt = options.prompt;
  fact.subject = options.subject;
  fact.subject_begin =
      place_of_subject(options.prompt, options.subject, options.occurrence, "the option prompt");
  fact.answer = options.answer;
  return fact;
}

// The answer asked for is traced whether or not the model gives it.
TraceResult trace_prompt(const Model& model, const std::vector<TraceFact>& facts, const TraceOptions& options,
                         Progress& progress) {
  check_trace_options(options, model.config());
  TraceResult result;
  progress.begin("trace", 1, "facts");
  result.traces.push_back(trace::trace_fact_in_steps(model, facts[0], options, noise_sigma(model, facts), {},
                                                     0, [&] { progress.update(0, ""); }));
  progress.end();
  return result;
}

// Where the decision is kept, looked at before any work. A decision that cannot be used (another model's, a
// broken file) is named, and will be replaced.
struct DecisionPlace {
  fs::path folder;
  std::optional<LayerDecision> held;
};

DecisionPlace look_for_decision(const Model& model, const TraceOptions& trace, const fs::path& statistics,
                                std::vector<std::string>& notes) {
  DecisionPlace place;
  place.folder = statistics.empty() ? default_statistics_folder(model, trace.prefix) : statistics;
  require_writable_folder(place.folder);
  try {
    place.held = load_layer_decision(model, trace.prefix, place.folder);
  } catch (const Error& unusable) {
    notes.push_back(std::string(unusable.what()) + " (it will be replaced)");
  }
  return place;
}

// A decision by edits is not replaced by one without, and few edits are no decision.
void keep_decision(const DecisionPlace& place, LocateOutcome& outcome) {
  const std::int64_t tried = outcome.decision.trial_facts;
  if (outcome.decision.evidence == LayerEvidence::kTrial && tried < kLeastTrialFacts) {
    outcome.notes.push_back(fmt::format(
        "The decision is not kept: the trial edited {} facts, and at least {} are needed (the option trial).",
        tried, kLeastTrialFacts));
    return;
  }
  if (outcome.decision.evidence != LayerEvidence::kTrial && place.held &&
      place.held->evidence == LayerEvidence::kTrial) {
    outcome.notes.push_back(fmt::format("The decision kept in {} was made by edits (layer {}); it stays.",
                                        place.folder.string(), place.held->layer));
    return;
  }
  save_layer_decision(outcome.decision, place.folder);
  outcome.kept = place.folder / "layer_decision.json";
}

// Which of the facts that were traced and are correct (of other data: of all that the model knows).
struct TrialPart {
  std::string name;  // of its folder in `out`, and of the option that asked for it
  std::int64_t skip = 0, count = 0;
};

std::vector<EvalRecord> choose_records(const LocateOptions& options, const DatasetFile& data,
                                       const TraceResult& traces, const TrialPart& part) {
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
  if (chosen.empty())
    throw Error(ErrorKind::kConfig, fmt::format("the option {}: there is no fact left to edit: the model "
                                                "knows {} of those asked for, and {} are passed over",
                                                part.name, passed, part.skip));
  return chosen;
}

// Edits of chosen facts at candidate layers, scored.
class Trial {
 public:
  Trial(Model& model, const LocateOptions& options, const DatasetFile& data, const TraceResult& traces,
        const std::vector<LayerScore>& ranking)
      : model_(model),
        options_(options),
        data_(data),
        traces_(traces),
        layers_(options.trial_layers.empty() ? trial_candidates(ranking, model.config())
                                             : options.trial_layers),
        editor_(make_editor(method_of(options), {})) {}

  // Throws Error(kConfig) when no fact is left for the part.
  std::vector<EvalRecord> choose(const TrialPart& part) const {
    return choose_records(options_, data_, traces_, part);
  }

  // Edits the chosen facts. Best first; results go to the folder of the part's name.
  std::vector<TrialScore> run(const TrialPart& part, std::vector<EvalRecord> records, Progress& progress) {
    LayerTrial trial;
    trial.editor = editor_.get();
    trial.context.prefix = options_.trace.prefix;
    trial.context.form = options_.trace.form;
    trial.context.seed = options_.trace.seed;
    trial.context.token_budget = options_.trace.token_budget;
    trial.layers = layers_;
    trial.records = std::move(records);
    DatasetFile data = data_;
    CheckOptions checks;
    checks.prefix = trial.context.prefix;
    checks.form = trial.context.form;
    checks.token_budget = trial.context.token_budget;
    fit_records(model_, trial.records, checks, {}, data);
    trial.model_fingerprint = model_.fingerprint();
    trial.resume = options_.resume;
    const Statistics statistics = load_statistics(progress);
    trial.context.statistics = editor_->needs_statistics() ? &statistics : nullptr;
    std::optional<TemporaryFolder> temporary;
    if (options_.out.empty()) temporary.emplace("emend-trial");
    trial.folder = options_.out.empty() ? temporary->path() : options_.out / part.name;
    return run_layer_trial(model_, trial, progress);
  }

 private:
  Statistics load_statistics(Progress& progress) const {
    if (!editor_->needs_statistics()) return {};
    StatisticsOptions collecting;
    collecting.seed = options_.trace.seed;
    collecting.token_budget = options_.trace.token_budget;
    StatisticsPlace place{options_.statistics, ""};
    if (place.folder.empty())
      place = find_statistics(model_, options_.trace.prefix, wanted_statistics(layers_));
    if (!place.note.empty()) progress.note(place.note);
    return StatisticsStore(model_, options_.trace.prefix, place.folder).layers(layers_, collecting, progress);
  }

  Model& model_;
  const LocateOptions& options_;
  const DatasetFile& data_;
  const TraceResult& traces_;
  std::vector<int> layers_;
  std::unique_ptr<Editor> editor_;
};

}  // namespace

LocateInput read_locate_input(const LocateOptions& options) {
  check_locate_options(options);
  LocateInput input;
  input.facts =
      options.facts.empty() ? std::vector<TraceFact>{asked_fact(options)} : read_trace_facts(options.facts);
  if (options.trial > 0) {
    input.trial = read_trial_data(options);
    make_editor(method_of(options), {});  // throws if it needs options
  }
  return input;
}

bool holds_on_other_facts(const std::vector<TrialScore>& check, int chosen) {
  for (const TrialScore& score : check)
    if (score.layer == chosen) return score.score >= check.front().score - check.front().ci95;
  return false;
}

LocateOutcome run_locate(Model& model, const LocateInput& input, const LocateOptions& given,
                         Progress& progress) {
  check_locate_options(given);
  LocateOptions options = given;
  options.trace.prefix = row_prefix(model.tokenizer(), options.bos, options.trace.form);
  for (const int layer : options.trial_layers)
    require_layer("the option trial-layers", layer, model.config().layers);
  LocateOutcome outcome;
  const bool has_file = !options.facts.empty();
  std::optional<DecisionPlace> place;
  if (options.keep_decision)
    place = look_for_decision(model, options.trace, options.statistics, outcome.notes);
  if (has_file)
    outcome.result =
        trace_facts(model, input.facts, options.trace,
                    {options.out, options.resume, options.shard, options.shards, options.limit}, progress);
  else
    outcome.result = trace_prompt(model, input.facts, options.trace, progress);
  if (outcome.result.missing > 0) return outcome;
  outcome.average = average_traces(outcome.result.traces);
  outcome.ranking = rank_layers(outcome.result.traces);
  outcome.noise_sigma = noise_sigma(model, input.facts);
  std::vector<TrialScore> scores;
  if (input.trial) {
    Trial trial(model, options, *input.trial, outcome.result, outcome.ranking);
    // Both parts are chosen before the long work begins, so that a file with too few facts is refused at
    // once.
    const TrialPart part{"trial", 0, options.trial}, other{"check", options.trial, options.check};
    std::vector<EvalRecord> tried = trial.choose(part), others;
    if (options.check > 0) others = trial.choose(other);
    scores = trial.run(part, std::move(tried), progress);
    if (options.check > 0) outcome.check = trial.run(other, std::move(others), progress);
  }
  progress.poll();
  outcome.decision =
      decide_layer(model, options.trace.prefix, outcome.ranking, outcome.average.facts, scores);
  outcome.decision.source = has_file ? options.facts.filename().string() : "a prompt";
  outcome.decision.method = input.trial ? method_of(options) : "";
  if (place) keep_decision(*place, outcome);
  return outcome;
}

}  // namespace emend
