#include "reports/edit_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "analysis/causal_trace/trace_json.h"
#include "base/layer_number.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "delivery/state_json.h"
#include "emend/version.h"
#include "model/block_reader.h"
#include "report/numbers.h"
#include "report/table.h"
#include "reports/bleed_report.h"
#include "reports/budget_report.h"
#include "reports/fact_report.h"
#include "reports/plan_reach.h"

namespace emend {
namespace {

std::string solution_table(const Edit& edit, std::size_t columns) {
  Table table({{"id"},
               {"layer", Align::kRight},
               {"steps", Align::kRight},
               {"loss", Align::kRight},
               {"update norm", Align::kRight},
               {"relative", Align::kRight},
               {"reason", Align::kLeft, 10}});
  for (const FactRecord& fact : edit.facts) {
    if (fact.status == FactStatus::kAlreadyTrue) continue;
    table.add_row({fact.request.id, layers_text(fact), std::to_string(fact.steps), number_text(fact.loss),
                   number_text(fact.update_norm()), number_text(fact.relative_norm()), fact.reason});
  }
  return table.text(columns);
}

std::vector<std::string> numbers_text(const std::vector<int>& numbers) {
  std::vector<std::string> texts;
  for (const int number : numbers) texts.push_back(std::to_string(number));
  return texts;
}

std::string costs_line(const EditOutcome& outcome) {
  const EditSeconds& seconds = outcome.seconds;
  return "Time: load " + human_seconds(seconds.load) +
         (outcome.trial ? ", trial of layers " + human_seconds(seconds.trial) : "") + ", statistics " +
         human_seconds(seconds.statistics) +
         (outcome.protect == Protect::kNone ? "" : ", other subjects " + human_seconds(seconds.protection)) +
         ", search " + human_seconds(seconds.search) + ", solve " + human_seconds(seconds.solve) +
         ", checks " + human_seconds(seconds.check) +
         ". Peak memory: " + human_bytes(static_cast<std::uint64_t>(peak_memory_bytes())) + ".\n";
}

ResultJson statistics_json(const EditOutcome& outcome) {
  const bool used = !outcome.statistics.empty();
  std::map<int, std::string> sources;
  ResultJson layers = ResultJson::array();
  for (const UsedStatistics& layer : outcome.statistics) {
    sources[layer.layer] = layer.source;
    ResultJson one = {{"layer", layer.layer},
                      {"source", layer.source},
                      {"tokens", layer.tokens},
                      {"fingerprint", layer.fingerprint}};
    const std::vector<WeightSolve>& solves = outcome.patch.edit.solves;
    const auto solve = std::find_if(solves.begin(), solves.end(), [&](const WeightSolve& each) {
      return each.weight.block == layer.layer;
    });
    if (solve != solves.end()) {
      one["condition"] = or_null(solve->condition_of_moments);
      one["ridge"] = or_null(solve->ridge);
      one["condition_with_ridge"] = or_null(solve->condition);
    }
    layers.push_back(std::move(one));
  }
  return {{"source", used ? ResultJson(text_by_layer(sources)) : ResultJson(nullptr)},
          {"tokens", used ? ResultJson(outcome.statistics.front().tokens) : ResultJson(nullptr)},
          {"layers", layers},
          {"condition", or_null(outcome.condition)},
          {"relative_ridge", or_null(outcome.relative_ridge)},
          {"ridge", or_null(outcome.ridge)},
          {"condition_with_ridge", or_null(outcome.condition_with_ridge)}};
}

ResultJson seconds_json(const EditSeconds& seconds) {
  return {{"total", seconds.total},           {"load", seconds.load},
          {"trial", seconds.trial},           {"statistics", seconds.statistics},
          {"protection", seconds.protection}, {"search", seconds.search},
          {"solve", seconds.solve},           {"check", seconds.check}};
}

}  // namespace

std::string layers_text(const FactRecord& fact) {
  std::vector<std::string> layers;
  for (const FactPart& part : fact.parts) layers.push_back(std::to_string(part.weight.block));
  return join(layers);
}

std::string methods_text(const std::vector<EditorHelp>& methods) {
  Table table({{"method"}, {"what it does"}});
  for (const EditorHelp& method : methods) table.add_row({method.name, method.help});
  return table.text(0);
}

std::string method_text(const EditorHelp& method) {
  Table table({{"option"}, {"default"}, {"what it is"}});
  for (const OptionHelp& option : method.options)
    table.add_row({option.name, option.default_value, option.help});
  return method.name + ": " + method.help +
         "\n\nIts options, for `options:` of an edit file, or of an options file of a benchmark:\n" +
         table.text(0, 2);
}

std::string method_line(const std::string& method, Objective objective, bool uses_statistics) {
  return "Method " + method + ", objective " + std::string(to_string(objective)) +
         (uses_statistics ? "" : ", C = I") + ".";
}

std::string edit_report(const EditOutcome& outcome, std::size_t columns) {
  const Patch& patch = outcome.patch;
  const std::vector<FactRecord>& facts = patch.edit.facts;
  std::string text = facts_table(facts, columns);
  if (outcome.nothing_to_do)
    return text + "\nEvery target is the model's answer already: there is nothing to do.\n";
  for (const std::string& table :
       {lost_table(facts, columns) + unknown_neighbours_text(facts) + other_subject_neighbours_text(facts),
        bleed_text(facts, columns), checks_table(patch.checks, columns), solution_table(patch.edit, columns),
        protection_text(patch.edit, columns)})
    if (!table.empty()) text.append("\n").append(table);
  if (outcome.budget) text.append("\n").append(budget_text(*outcome.budget));
  text.append("Layers count from 0. ")
      .append(method_line(patch.edit.method, patch.edit.objective, outcome.uses_statistics));
  if (outcome.teaches_end)
    text.append(
        " The end of the text behind the target was searched for, too; a warning names each edit that misses "
        "it.");
  return text.append("\n").append(costs_line(outcome));
}

ResultJson edit_json(const EditOutcome& outcome, const Model& model,
                     const std::vector<std::filesystem::path>& outputs) {
  const Patch& patch = outcome.patch;
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"method", patch.edit.method},
          {"covariance", outcome.uses_statistics},
          {"objective", to_string(patch.edit.objective)},
          {"options", patch.edit.options},
          {"statistics", statistics_json(outcome)},
          {"device", to_string(patch.conditions.devices)},
          {"dtype", to_string_or_empty(patch.conditions.dtype)},
          {"seed", patch.conditions.seed ? ResultJson(*patch.conditions.seed) : ResultJson(nullptr)},
          {"token_budget", patch.conditions.token_budget},
          {"seconds", seconds_json(outcome.seconds)},
          {"peak_memory_bytes", peak_memory_bytes()},
          {"edits", edits_json(patch.edit.facts)},
          {"checks", checks_json(patch.checks)},
          {"layer_trial", outcome.trial ? decision_json(*outcome.trial) : ResultJson(nullptr)},
          {"protect", to_string(outcome.protect)},
          {"end", outcome.teaches_end ? "eos" : "none"},
          {"bleed", bleed_json(patch.edit.facts)},
          {"budget", budget_json(outcome.budget)},
          {"resumed_values", outcome.resumed_values},
          {"warnings", patch.edit.warnings},
          {"outputs", paths_json(outputs)},
          {"passed", patch.passed}};
}

namespace {

std::string costs_table(const EditPlan& plan, std::size_t columns) {
  Table table({{"id"},
               {"layer", Align::kRight},
               {"rows", Align::kRight},
               {"target tokens", Align::kRight},
               {"norm per unit", Align::kRight},
               {"neighbours moved", Align::kRight},
               {"shares its key with", Align::kLeft, 10}});
  for (const EditPlan::Entry& entry : plan.entries)
    table.add_row({entry.id, join(numbers_text(entry.layers)), count_text(entry.rows),
                   count_text(entry.target_tokens), number_text(entry.predicted_norm),
                   number_text(entry.largest_neighbour_alpha), join(entry.merged_with)});
  return table.text(columns);
}

// One part a line, the largest phase marked as the one that counts.
std::string memory_table(const EditMemory& memory, std::size_t columns) {
  const auto human = [](std::int64_t bytes) { return human_bytes(static_cast<std::uint64_t>(bytes)); };
  Table table({{"memory"}, {"bytes", Align::kRight}, {"formula"}});
  for (const MemoryNeed& need : memory.held) table.add_row({need.work, human(need.bytes), need.formula});
  for (const MemoryNeed& need : memory.phases)
    table.add_row({"for a while: " + need.work, human(need.bytes), need.formula});
  table.add_row({"at the peak", human(memory.bytes()), "all that is held, and the largest of the others"});
  std::string text = table.text(columns);
  if (memory.search_tokens > 0)
    text += "Batches of the search hold at most " + std::to_string(memory.search_tokens) +
            " tokens, to stay below the limit.\n";
  return text + "Tensors alone: the program and its libraries take some 200 MB more.\n";
}

ResultJson needs_json(const std::vector<MemoryNeed>& needs) {
  ResultJson rows = ResultJson::array();
  for (const MemoryNeed& need : needs)
    rows.push_back({{"work", need.work}, {"bytes", need.bytes}, {"formula", need.formula}});
  return rows;
}

ResultJson memory_json(const std::optional<EditMemory>& memory) {
  if (!memory) return nullptr;
  return {
      {"bytes", memory->bytes()},
      {"search_tokens", memory->search_tokens > 0 ? ResultJson(memory->search_tokens) : ResultJson(nullptr)},
      {"held", needs_json(memory->held)},
      {"phases", needs_json(memory->phases)}};
}

// What the model says now to paraphrases and neighbours; empty where the file has none.
std::string other_prompts_line(const PlanOutcome& outcome) {
  std::size_t paraphrases = 0, say_target = 0, neighbours = 0, answered = 0;
  for (const FactState& now : outcome.before) {
    paraphrases += now.paraphrases.size();
    neighbours += now.neighbours.size();
    for (const PromptState& state : now.paraphrases) say_target += state.argmax_target ? 1 : 0;
    for (const FactState::NeighbourState& state : now.neighbours)
      answered += !state.answer.empty() && trim(state.completion).starts_with(state.answer) ? 1 : 0;
  }
  std::string text;
  if (paraphrases > 0)
    text += fmt::format("Paraphrases that say their target already: {} of {}. ", say_target, paraphrases);
  if (neighbours > 0)
    text += fmt::format("Neighbours to which the model gives their answer: {} of {}. ", answered, neighbours);
  return text.empty() ? "" : std::string(trim_back(text)) + "\n";
}

// What the model says now, one fact a line.
std::string present_table(const PlanOutcome& outcome, std::size_t columns) {
  Table table({{"id"},
               {"prompt", Align::kLeft, 10},
               {"the model says", Align::kLeft, 10},
               {"was", Align::kLeft, 10},
               {"target", Align::kLeft, 10},
               {"p(target)", Align::kRight},
               {"what will be done"}});
  for (std::size_t i = 0; i < outcome.edits.size(); ++i) {
    const EditRequest& request = outcome.edits[i];
    const PromptState& now = outcome.before.at(i).prompt;
    table.add_row({request.id, request.prompt, now.completion, request.was, request.target,
                   probability_text(now.p_target),
                   outcome.already_true.at(i) ? "nothing: true already" : "edited"});
  }
  return table.text(columns) + other_prompts_line(outcome);
}

}  // namespace

namespace {

// What weights that are not kept cost a search: a step runs the blocks above the layer, and its gradient runs
// them back.
std::string reading_text(const PlanOutcome& outcome) {
  if (outcome.blocks_read_again == 0) return "";
  const int layer = outcome.layers.front();
  const int above = std::max(outcome.blocks_read_again - layer - 1, 0);
  return fmt::format(
      "{} of {} blocks are read from the file whenever a pass comes to them (the option memory). A step of a "
      "search at layer {} reads {} of them twice: about {:.2g} s, as fast as they were read at loading.\n",
      outcome.blocks_read_again, outcome.model_layers, layer, above, 2 * above * outcome.seconds_a_block);
}

std::string trial_line(const PlanOutcome& outcome) {
  if (outcome.trial_layers.empty()) return "";
  return fmt::format(
      "layer: auto: before these edits, layers {} are tried with {} ({}), each alone: at most the time of {} "
      "edits. This plan is for the layer by depth, {}.\n",
      join(numbers_text(outcome.trial_layers)), outcome.trial_facts.size() == 1 ? "the edit" : "the edits",
      join(outcome.trial_facts), kTrialEdits, join(numbers_text(outcome.layers)));
}

std::string no_statistics_line(const PlanOutcome& outcome) {
  const std::vector<int>& missing =
      outcome.layers_without_statistics.empty() ? outcome.layers : outcome.layers_without_statistics;
  return fmt::format(
      "No statistics of {} in {}: without them there are no costs and conflicts to tell. The edit itself "
      "makes them; to see its costs before, collect statistics of the layer{}.\n",
      layer_names(missing), outcome.statistics.string(), missing.size() == 1 ? "" : "s");
}

}  // namespace

std::string plan_report(const PlanOutcome& outcome, std::size_t columns) {
  std::string text = present_table(outcome, columns) + "\n";
  if (outcome.has_statistics)
    text += costs_table(outcome.plan, columns) + "\n" + reach_text(outcome.plan);
  else
    text += no_statistics_line(outcome);
  if (outcome.memory) text.append("\n").append(memory_table(*outcome.memory, columns)).append("\n");
  return text + trial_line(outcome) +
         method_line(outcome.method, outcome.objective, outcome.uses_statistics) + "\n" +
         reading_text(outcome) + "Layers count from 0; the model has " +
         std::to_string(outcome.model_layers) + ". Nothing was written.\n";
}

ResultJson plan_json(const PlanOutcome& outcome, const Model& model) {
  ResultJson entries = ResultJson::array();
  for (const EditPlan::Entry& entry : outcome.plan.entries) {
    entries.push_back(
        {{"id", entry.id},
         {"layer", entry.layers.front()},
         {"target_tokens", entry.target_tokens},
         {"rows", entry.rows},
         {"merged_with", entry.merged_with},
         {"predicted_norm", entry.predicted_norm},
         {"largest_neighbour_alpha", entry.largest_neighbour_alpha},
         {"text_share", entry.text_share > 0 ? ResultJson(entry.text_share) : ResultJson(nullptr)},
         {"reach", to_string(reach_of(entry))}});
    add_layers(entries.back(), entry.layers);
  }
  ResultJson present = ResultJson::array();
  const auto prompts_json = [](const std::vector<PromptState>& states) {
    ResultJson list = ResultJson::array();
    for (const PromptState& state : states) list.push_back(prompt_json(state));
    return list;
  };
  const auto neighbours_json = [](const std::vector<FactState::NeighbourState>& states) {
    ResultJson list = ResultJson::array();
    for (const FactState::NeighbourState& state : states) {
      list.push_back(neighbour_json(state));
      list.back()["answer"] = state.answer;
    }
    return list;
  };
  for (std::size_t i = 0; i < outcome.edits.size(); ++i)
    present.push_back({{"id", outcome.edits[i].id},
                       {"prompt", outcome.edits[i].prompt},
                       {"target", outcome.edits[i].target},
                       {"was", outcome.edits[i].was},
                       {"before", prompt_json(outcome.before.at(i).prompt)},
                       {"paraphrases", prompts_json(outcome.before.at(i).paraphrases)},
                       {"neighbours", neighbours_json(outcome.before.at(i).neighbours)},
                       {"already_true", static_cast<bool>(outcome.already_true.at(i))}});
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"method", outcome.method},
          {"covariance", outcome.uses_statistics},
          {"objective", to_string(outcome.objective)},
          {"options", outcome.options},
          {"plan", entries},
          {"layer_trial", outcome.trial_layers.empty()
                              ? ResultJson(nullptr)
                              : ResultJson{{"layers", outcome.trial_layers}, {"facts", outcome.trial_facts}}},
          {"edits", present},
          {"memory", memory_json(outcome.memory)},
          {"blocks_read_again", outcome.blocks_read_again},
          {"warnings", outcome.plan.warnings}};
}

}  // namespace emend
