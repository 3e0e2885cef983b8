// The analyses of memories that ask a model about prompts, facts and triggers: explain, effects, timeline,
// knowledge, layers, set.
#include <memory>

#include "base/layer_number.h"
#include "bindings/c_api/memory_analyses.h"
#include "bindings/c_api/token_budget.h"
#include "emend/error.h"
#include "emend/memory_effects.h"
#include "emend/memory_explain.h"
#include "emend/memory_knowledge.h"
#include "emend/memory_layers.h"
#include "emend/memory_set.h"
#include "emend/memory_timeline.h"
#include "pipeline/fact_questions.h"
#include "reports/effects_report.h"
#include "reports/explain_report.h"
#include "reports/knowledge_report.h"
#include "reports/memory_set_report.h"
#include "reports/timeline_report.h"

namespace emend::c_api {
namespace {

void take_explain(JsonOptions& options, ExplainOptions& how) {
  options.need("prompt", how.prompt);
  options.take("token", how.token);
  options.take("against", how.against);
  options.take("bos", how.bos);
  options.take("top", how.top);
  options.take("cells", how.cells);
  options.take("effects", how.effects);
  options.take("sources", how.sources);
  options.take("index", how.index);
}

AnalysisResult run_explain_of(const AnalysisInput& input, ExplainOptions how) {
  const Model& model = *input.model;
  const auto found = std::make_shared<ExplainOutcome>(run_explain(model, how, *input.progress));
  return {.json = explain_json(*found, how, model),
          .text = [=] { return explain_text(*found, how, 0); },
          .page = [=, &model] { return explain_page(*found, how, model); }};
}

void take_timeline(JsonOptions& options, TimelineOptions& how) {
  how.token_budget = 0;
  options.need("prompt", how.prompt);
  options.need("subject", how.subject);
  options.take("occurrence", how.occurrence);
  options.take("token", how.token);
  options.take("bos", how.bos);
  options.take("samples", how.samples);
  options.take("window", how.window);
  options.take("share", how.share);
  options.take("seed", how.seed);
  options.take("token_budget", how.token_budget);
}

AnalysisResult run_timeline_of(const AnalysisInput& input, TimelineOptions how) {
  how.token_budget = settled_token_budget(how.token_budget, *input.model);
  const Model& model = *input.model;
  const auto found = std::make_shared<TimelineOutcome>(run_timeline(model, how, *input.progress));
  return {.json = timeline_json(*found, how, model),
          .text = [=] { return timeline_text(*found, 0); },
          .page = [=, &model] { return timeline_page(*found, how, model); }};
}

void take_effects(JsonOptions& options, EffectOptions& how) {
  how.token_budget = 0;
  options.need("index", how.index);
  options.take("layers", how.layers);
  options.take("cells", how.cells);
  options.take("triggers", how.triggers);
  options.take("longest", how.longest);
  options.take("token_budget", how.token_budget);
}

AnalysisResult run_effects(const AnalysisInput& input, EffectOptions how) {
  for (const int layer : how.layers) require_layer("layers", layer, input.model->config().layers);
  how.token_budget = settled_token_budget(how.token_budget, *input.model);
  const Model& model = *input.model;
  const auto found = std::make_shared<EffectOutcome>(measure_effects(model, how, *input.progress));
  return {.json = effects_json(*found, how, model),
          .text = [=] { return effects_text(*found, 0); },
          .page = [=, &model] { return effects_page(*found, how, model); }};
}

// A fact, or a file of them, as the program's commands take them.
struct KnowledgeSettings {
  FactQuestions facts;
  KnowledgeOptions how;
};

void take_facts(JsonOptions& options, FactQuestions& facts) {
  options.take("prompt", facts.prompt);
  options.take("answer", facts.answer);
  options.take("paraphrases", facts.paraphrases);
  options.take("facts", facts.facts);
  options.take("limit", facts.limit);
}

std::vector<KnowledgeFact> facts_of(const AnalysisInput& input, const FactQuestions& questions,
                                    const std::string& bos) {
  std::vector<KnowledgeFact> facts = read_fact_questions(questions);
  if (questions.facts.empty()) return facts;
  return known_facts(*input.model, std::move(facts), bos, questions.limit, *input.progress);
}

void take_knowledge(JsonOptions& options, KnowledgeSettings& knowledge) {
  take_facts(options, knowledge.facts);
  options.take("bos", knowledge.how.bos);
  options.take("steps", knowledge.how.steps);
  options.take("threshold", knowledge.how.threshold);
  options.take("shared", knowledge.how.shared);
  options.take("sizes", knowledge.how.sizes);
  options.take("draws", knowledge.how.draws);
  options.take("seed", knowledge.how.seed);
}

AnalysisResult run_knowledge(const AnalysisInput& input, KnowledgeSettings knowledge) {
  knowledge.how.facts = facts_of(input, knowledge.facts, knowledge.how.bos);
  const Model& model = *input.model;
  const KnowledgeOptions how = knowledge.how;
  const auto found = std::make_shared<KnowledgeOutcome>(find_knowledge(model, how, *input.progress));
  return {.json = knowledge_json(*found, how, model),
          .text = [=] { return knowledge_text(*found, 0); },
          .page = [=, &model] { return knowledge_page(*found, how, model); }};
}

struct LayersSettings {
  FactQuestions facts;
  LayerChangeOptions how;
};

void take_layers(JsonOptions& options, LayersSettings& layers) {
  take_facts(options, layers.facts);
  options.take("bos", layers.how.bos);
  options.take("window", layers.how.window);
  options.take("token_budget", layers.how.token_budget);
}

AnalysisResult run_layers(const AnalysisInput& input, LayersSettings layers) {
  layers.how.facts = facts_of(input, layers.facts, layers.how.bos);
  const Model& model = *input.model;
  const LayerChangeOptions how = layers.how;
  const auto found = std::make_shared<LayerChangeOutcome>(measure_layer_changes(model, how, *input.progress));
  return {.json = layer_changes_json(*found, how, model),
          .text = [=] { return layer_changes_text(*found, 0); },
          .page = [=, &model] { return layer_changes_page(*found, how, model); }};
}

void take_set(JsonOptions& options, SetOptions& how) {
  options.need("prompt", how.prompt);
  options.need("settings", how.settings);
  options.take("bos", how.bos);
  options.take("max_new", how.max_new);
  options.take("top", how.top);
}

AnalysisResult run_set(const AnalysisInput& input, SetOptions how) {
  const Model& model = *input.model;
  const auto found = std::make_shared<SetOutcome>(run_memory_set(model, how, *input.progress));
  return {.json = memory_set_json(*found, how, model),
          .text = [=] { return memory_set_text(*found, how, 0); },
          .page = [=, &model] { return memory_set_page(*found, how, model); }};
}

}  // namespace

std::vector<MemoryAnalysis> prompt_analyses() {
  using enum AnalysisNeeds;
  return {make_analysis("explain", kModel, take_explain, run_explain_of),
          make_analysis("effects", kModel, take_effects, run_effects),
          make_analysis("timeline", kModel, take_timeline, run_timeline_of),
          make_analysis("knowledge", kModel, take_knowledge, run_knowledge),
          make_analysis("layers", kModel, take_layers, run_layers),
          make_analysis("set", kModel, take_set, run_set)};
}

}  // namespace emend::c_api
