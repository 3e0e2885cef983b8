// emend locate
#include <iostream>

#include "analysis/causal_trace/fact_steps.h"
#include "analysis/causal_trace/trace_json.h"
#include "base/atomic_file.h"
#include "base/strings.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "pipeline/layer_decision_text.h"
#include "cli/layer_list.h"
#include "cli/load_model.h"
#include "cli/locate_options.h"
#include "cli/locate_page.h"
#include "cli/locate_text.h"
#include "cli/locate_trial.h"
#include "cli/output_check.h"
#include "datasets/trace_facts.h"
#include "emend/editor.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "report/numbers.h"

namespace emend {
namespace {

namespace fs = std::filesystem;

std::vector<TraceFact> asked_facts(const LocateOptions& options) {
  if (!options.facts.empty()) return read_trace_facts(options.facts);
  TraceFact fact;
  fact.id = "prompt";
  fact.prompt = options.prompt;
  fact.subject = options.subject;
  fact.subject_begin = place_of_subject(options.prompt, options.subject, options.occurrence, "--prompt");
  fact.answer = options.answer;
  return {fact};
}

// Everything that can be refused before the model is loaded.
void check_outputs(const LocateOptions& options, const Console& console) {
  if (!options.out.empty()) require_writable_folder(options.out);
  if (!options.svg.empty()) require_writable_folder(options.svg);
  if (!options.report.empty()) {
    require_writable_file(options.report);
    require_not_among(options.report, {options.facts, options.trial_data, options.common.model, options.common.json});
  }
  console.keep_json_apart({{options.facts, options.trial_data, options.report}, options.common.model, {}});
}

TraceResult trace(const Model& model, const std::vector<TraceFact>& facts, const LocateOptions& options, Console& console) {
  if (options.facts.empty()) {  // the answer asked for is traced whether or not the model gives it
    TraceResult result;
    check_trace_options(options.trace, model.config());
    TerminalProgress& progress = console.progress();
    progress.begin("trace", 1, "facts");
    result.traces.push_back(trace_fact_in_steps(model, facts[0], options.trace, noise_sigma(model, facts), {}, 0, [&] { progress.update(0, ""); }));
    progress.end();
    return result;
  }
  const TraceStore store{options.out, options.resume, options.shard, options.shards, options.limit};
  return trace_facts(model, facts, options.trace, store, console.progress());
}

// What a run found.
struct Findings {
  TraceResult result;
  TraceAverage average;
  std::vector<LayerScore> ranking;
  LayerDecision decision;
  std::vector<TrialScore> check;  // the same layers on other facts
};

ResultJson result_json(const Model& model, const Findings& found) {
  ResultJson facts = ResultJson::array(), skipped = ResultJson::array();
  for (const FactTrace& fact : found.result.traces) facts.push_back(trace_json(fact));
  for (const SkippedFact& fact : found.result.skipped)
    skipped.push_back({{"id", fact.id}, {"prompt", fact.prompt}, {"subject", fact.subject}, {"answer", fact.answer}, {"said", fact.said}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"facts", std::move(facts)},
          {"skipped", std::move(skipped)},
          {"average", average_json(found.average)},
          {"ranking", ranking_json(found.ranking)},
          {"layer", found.decision.layer},
          {"evidence", found.decision.evidence},
          {"trial", trial_json(found.decision.trial)},
          {"check", found.check.empty() ? ResultJson(nullptr)
                                        : ResultJson{{"scores", trial_json(found.check)}, {"holds", holds_on_other_facts(found.check, found.decision.layer)}}},
          {"peak_memory_bytes", peak_memory_bytes()}};
}

void print(const Findings& found, const Console& console) {
  constexpr std::size_t kShown = 5;
  const TraceResult& result = found.result;
  if (result.traces.size() == 1) std::cout << trace_text(result.traces[0], stdout_colour(), console.columns());
  if (result.traces.size() > 1 || !result.skipped.empty()) std::cout << average_text(found.average, console.columns());
  if (!result.skipped.empty())
    std::cout << count_text(static_cast<std::int64_t>(result.skipped.size())) << " facts were left out: the model does not give their answers.\n";
  if (!found.ranking.empty())
    std::cout << "\nLayers by the effect of MLP windows at the subject's last token:\n" << ranking_text(found.ranking, kShown, console.columns());
  if (!found.decision.trial.empty()) std::cout << "\nLayers by the score of edits:\n" << trial_text(found.decision.trial, console.columns());
  if (!found.check.empty()) std::cout << "\nThe same layers on other facts:\n" << trial_text(found.check, console.columns()) << check_text(found.check, found.decision.layer);
  std::cout << "\n" << decision_text(found.decision) << "\nLayers count from 0.\n";
}

// The folder for the decision and what lies there, looked at before any work. A decision that cannot be used (another model's, a broken
// file) is named, and will be replaced.
struct DecisionPlace {
  DecisionPlace(const Model& model, const LocateOptions& options, Console& console)
      : folder(options.common.statistics.empty() ? default_statistics_folder(model, options.trace.prefix) : fs::path(options.common.statistics)) {
    require_writable_folder(folder);
    try {
      held = load_layer_decision(model, options.trace.prefix, folder);
    } catch (const Error& unusable) {
      console.note(std::string(unusable.what()) + " (it will be replaced)");
    }
  }
  fs::path folder;
  std::optional<LayerDecision> held;
};

// A decision by edits is not replaced by one without.
void keep_decision(const DecisionPlace& place, const LayerDecision& decision, Console& console) {
  const fs::path& folder = place.folder;
  if (decision.evidence != "trial" && place.held && place.held->evidence == "trial") {
    console.note("The decision kept in " + folder.string() + " was made by edits (layer " + std::to_string(place.held->layer) + "); it stays.");
    return;
  }
  save_layer_decision(decision, folder);
  std::cout << "Kept for `layer: auto` in " << (folder / "layer_decision.json").string() << "\n";
}

std::vector<std::pair<std::string, std::string>> settings_of(const LocateOptions& options, const Model& model, double sigma) {
  const TraceOptions& trace = options.trace;
  const int layers = model.config().layers;
  const int window = trace.window > 0 ? trace.window : default_window(layers);
  std::vector<std::string> ids;
  for (const std::int64_t id : trace.prefix) ids.push_back(std::to_string(id));
  return {{"model", options.common.model},
          {"fingerprint", model.fingerprint()},
          {"layers", std::to_string(layers)},
          {"type of the weights", options.common.dtype},
          {"text begins with", ids.empty() ? "nothing" : "token " + join(ids)},
          {"facts", options.facts.empty() ? "one prompt" : options.facts},
          {"noise", number_text(trace.noise.level * (trace.noise.relative ? sigma : 1), 4) + (trace.noise.relative ? ", that is " + number_text(trace.noise.level) + " standard deviations" : "") +
                        (trace.noise.kind == TraceNoise::Kind::kTokens ? " (not used: tokens are replaced)" : "")},
          {"corrupted runs a fact", std::to_string(trace.samples)},
          {"window", std::to_string(window) + " layers"},
          {"exact cells", trace.exact_share < 1 ? percent_text(trace.exact_share) + " chosen by gradients, and the last tokens' rows" : "all"},
          {"seed", std::to_string(trace.seed)}};
}

void write_report(const LocateOptions& options, const Model& model, const Findings& found, double sigma) {
  if (options.report.empty() && options.svg.empty()) return;
  LocateReport report;
  report.model = fs::path(options.common.model).filename().string();
  if (report.model.empty()) report.model = fs::path(options.common.model).parent_path().filename().string();
  report.result = &found.result;
  report.average = &found.average;
  report.ranking = &found.ranking;
  report.decision = &found.decision;
  report.decision_text = decision_text(found.decision);
  report.settings = settings_of(options, model, sigma);
  if (!options.report.empty()) {
    write_file_atomically(options.report, locate_page(report));
    std::cout << "Report: " << options.report << "\n";
  }
  if (!options.svg.empty()) std::cout << write_pictures(report, options.svg).size() << " pictures in " << options.svg << "\n";
}

}  // namespace

int locate_command(const std::vector<std::string>& arguments) {
  LocateOptions options;
  if (parse_locate(arguments, options) == Parsed::kAnswered) return kExitDone;
  Console console(options.common);
  const std::vector<TraceFact> facts = asked_facts(options);
  std::optional<DatasetFile> trial;
  if (options.trial > 0) {
    trial = read_trial_data(options);
    make_editor(options.method, {});  // an unknown one is refused now
  }
  check_outputs(options, console);
  Model model = load_model(options.common.model, options.common, console);
  fit_token_budget(model, options.common, console);
  options.trace.prefix = resolve_bos(model.tokenizer(), options.common.bos.value_or("auto"));
  if (!options.trial_layers.empty()) parse_layers(options.trial_layers, model.config().layers, "--trial-layers");
  std::optional<DecisionPlace> place;
  if (!options.facts.empty()) place.emplace(model, options, console);
  Findings found;
  found.result = trace(model, facts, options, console);
  if (found.result.missing > 0) {
    console.note("Part " + std::to_string(options.shard) + "/" + std::to_string(options.shards) + " is done; " + std::to_string(found.result.missing) +
                 " facts of other parts are not there yet. Once they are, the same command with --resume and without --shard gives the averages.");
    return kExitDone;
  }
  found.average = average_traces(found.result.traces);
  found.ranking = rank_layers(found.result.traces);
  std::vector<TrialScore> scores;
  if (trial) {
    const std::vector<int> layers = trial_layers(options, found.ranking, model.config());
    std::vector<EvalRecord> tried = choose_records(options, *trial, found.result, {"trial", 0, options.trial}), others;
    if (options.check > 0) others = choose_records(options, *trial, found.result, {"check", options.trial, options.check});
    scores = run_trial(model, options, *trial, std::move(tried), layers, "trial", console);
    if (options.check > 0) found.check = run_trial(model, options, *trial, std::move(others), layers, "check", console);
  }
  throw_if_interrupted();
  found.decision = decide_layer(model, options.trace.prefix, found.ranking, found.average.facts, scores);
  found.decision.source = options.facts.empty() ? "a prompt" : fs::path(options.facts).filename().string();
  found.decision.method = trial ? options.method : "";
  print(found, console);
  write_report(options, model, found, noise_sigma(model, facts));
  console.write_json(result_json(model, found));
  if (place) keep_decision(*place, found.decision, console);
  return kExitDone;
}

}  // namespace emend
