#include "pipeline/auto_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "analysis/layer_choice.h"
#include "analysis/statistics_file.h"
#include "base/layer_number.h"
#include "base/strings.h"
#include "base/temporary_folder.h"
#include "emend/checks.h"
#include "emend/error.h"
#include "emend/statistics_store.h"
#include "eval/decided_by.h"
#include "eval/fit.h"
#include "measure/other_subjects.h"
#include "pipeline/layer_trial.h"
#include "pipeline/unedited_texts.h"

namespace emend {
namespace {

constexpr std::size_t kTrialFacts = 2;     // at most; of one fact more layers are tried
constexpr std::size_t kOtherSubjects = 8;  // that bleed is measured at, of each fact
constexpr double kLeastSuccess = 0.5, kMostBleed = 0.5;

// The nearest to the depth default first; ties: the lower layer.
void nearest_first(std::vector<int>& layers, int depth) {
  std::stable_sort(layers.begin(), layers.end(),
                   [&](int a, int b) { return std::abs(a - depth) < std::abs(b - depth); });
}

// Numbers of `count` requests that are spread over `all` of them.
std::vector<std::size_t> spread(std::size_t count, std::size_t all) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < std::min(count, all); ++i) chosen.push_back(i * all / std::min(count, all));
  return chosen;
}

// The layers of `wanted` whose statistics the folder holds.
std::vector<int> layers_at_hand(const AutoTrial& trial, const std::vector<int>& wanted) {
  std::vector<int> present;
  for (const int layer : wanted)
    if (std::filesystem::exists(layer_file(trial.statistics, layer))) present.push_back(layer);
  return present;
}

Statistics statistics_of(const AutoTrial& trial, const std::vector<int>& layers, Progress& progress) {
  if (!trial.editor.needs_statistics()) return {};
  StatisticsOptions collecting;
  collecting.seed = trial.context.seed;
  collecting.token_budget = trial.context.token_budget;
  std::vector<int> by_depth = layers;
  nearest_first(by_depth, default_layer(trial.model.config()));
  bool approved = false;
  const auto approve = [&](const Statistics& found) {
    approved = true;
    EditorContext context = trial.context;
    context.layers = {by_depth.front()};
    context.statistics = &found;
    context.protection = nullptr;
    trial.editor.plan(trial.model, trial.requests, context);  // throws
    return StatisticsStore::Conditions();
  };
  Statistics found = StatisticsStore(trial.model, trial.context.prefix, trial.statistics)
                         .layers(layers, collecting, progress, approve);
  if (approved)
    keep_held_text(trial.model, trial.statistics, layers,
                   {trial.context.prefix, trial.context.seed, trial.context.token_budget}, progress);
  else
    approve(found);  // what the edit would refuse is refused before the first trial edit
  return found;
}

// The chosen requests with other subjects that the model names, as records that this model can be asked.
std::vector<EvalRecord> records_of(const AutoTrial& trial, const std::vector<std::size_t>& facts) {
  CheckOptions checks;
  checks.prefix = trial.context.prefix;
  checks.form = trial.context.form;
  checks.token_budget = trial.context.token_budget;
  std::vector<EditRequest> requests;
  for (const std::size_t i : facts) requests.push_back(trial.requests[i]);
  fill_present_answers(trial.model, requests, checks);
  const std::vector<std::vector<std::string>> named = name_other_subjects(trial.model, requests, checks);
  std::vector<EvalRecord> records;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    std::vector<OtherSubject>& others = requests[i].bleed;
    for (const std::string& name : named[i]) {
      const auto is_it = [&](const OtherSubject& other) { return other.subject == name; };
      if (others.size() < kOtherSubjects && std::ranges::none_of(others, is_it)) others.push_back({name, ""});
    }
    records.emplace_back();
    records.back().request = std::move(requests[i]);
  }
  DatasetFile data;
  fit_records(trial.model, records, checks, {}, data);
  // Where the target is the true answer, its rise is no harm.
  for (EvalRecord& record : records)
    std::erase_if(record.request.bleed,
                  [&](const OtherSubject& other) { return other.answer == record.request.target; });
  return records;
}

}  // namespace

bool passes(const TrialScore& score) {
  return std::ranges::all_of(score.parts, [](const auto& part) {
    return part.first == kBleedPart ? part.second <= kMostBleed : part.second >= kLeastSuccess;
  });
}

void put_taken_first(std::vector<TrialScore>& scores, int depth) {
  const auto first = std::ranges::find_if(scores, passes);
  if (first == scores.end()) return;
  const double best = first->score;
  std::vector<int> level;
  for (const TrialScore& score : scores)
    if (passes(score) && score.score >= best - kLevelScores) level.push_back(score.layer);
  std::sort(level.begin(), level.end());
  nearest_first(level, depth);
  const auto chosen =
      std::ranges::find_if(scores, [&](const TrialScore& score) { return score.layer == level.front(); });
  std::rotate(scores.begin(), chosen, chosen + 1);
}

TrialPlan plan_trial(const AutoTrial& trial) {
  TrialPlan plan;
  const ModelConfig& config = trial.model.config();
  const int depth = default_layer(config);
  if (trial.editor.layer_use() == LayerUse::kNone ||
      trial.editor.layers_around(depth, config) != std::vector<int>{depth}) {
    plan.why_not = fmt::format("the method {} chooses layers of its own", quote(trial.editor.name()));
    return plan;
  }
  if (trial.context.earlier != nullptr) {
    plan.why_not = "the edit is built on a patch";
    return plan;
  }
  if (trial.context.memory_bytes > 0) {
    plan.why_not = "a limit of memory is given, and trial edits are not planned within it";
    return plan;
  }
  std::vector<int> layers = layers_near_depth(config);
  if (trial.editor.needs_statistics()) {
    const std::vector<int> present = layers_at_hand(trial, layers);
    if (present.size() == 1) {
      plan.why_not = fmt::format(
          "of {}, {} has statistics of layer {} alone; collect those of all of them to have them "
          "tried",
          layer_names(layers), trial.statistics.string(), present.front());
      return plan;
    }
    if (!present.empty()) layers = present;
  }
  nearest_first(layers, depth);
  plan.facts = spread(kTrialFacts, trial.requests.size());
  for (const std::size_t i : plan.facts) plan.ids.push_back(trial.requests[i].id);
  layers.resize(std::min(layers.size(), kTrialEdits / plan.facts.size()));
  std::sort(layers.begin(), layers.end());
  if (layers.size() > 1)
    plan.layers = std::move(layers);
  else
    plan.why_not = "the model has one layer";
  return plan;
}

LayerDecision try_layers(const AutoTrial& trial, const TrialPlan& plan, Progress& progress) {
  Model model = trial.model.share();
  const int depth = default_layer(model.config());
  LayerTrial edits;
  edits.editor = &trial.editor;
  edits.context = trial.context;
  edits.context.protection = nullptr;
  edits.context.journal = nullptr;
  edits.context.group = nullptr;  // the first process decides alone, and the others wait for its layer
  edits.layers = plan.layers;
  edits.known_only = false;
  edits.model_fingerprint = model.fingerprint();
  const Statistics statistics = statistics_of(trial, plan.layers, progress);
  edits.context.statistics = trial.editor.needs_statistics() ? &statistics : nullptr;
  edits.records = records_of(trial, plan.facts);
  const TemporaryFolder folder("emend-trial");
  edits.folder = folder.path();
  std::vector<TrialScore> scores;
  try {
    scores = run_layer_trial(model, edits, progress);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kConfig) throw;
    LayerDecision decision = decide_layer(model, trial.context.prefix, {}, 0, {});
    progress.note(fmt::format("layer: auto: the trial says nothing: {}", error.what()));
    return decision;
  }
  const bool any = std::ranges::any_of(scores, passes);
  put_taken_first(scores, depth);
  LayerDecision decision = decide_layer(model, trial.context.prefix, {}, 0, scores);
  if (!any) {
    decision.evidence = LayerEvidence::kDepth;
    decision.layer = depth;
  }
  decision.method = decided_by(trial.editor);
  return decision;
}

}  // namespace emend
