#include "eval/results/metric_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace emend {
namespace {

constexpr std::array<const char*, 4> kMeasures = {"success", "argmax", "generated", "magnitude"};
constexpr std::array<const char*, 6> kLeading = {"score",       "score_generated", "fluency",
                                                 "consistency", "drift_kl",        "drift_perplexity"};

constexpr std::array<PromptForm, 2> kForms = {PromptForm::kRaw, PromptForm::kChat};

// "raw_", "chat_"
std::string front_of_form(PromptForm form) {
  return std::string(to_string(form)) + "_";
}

}  // namespace

std::string metric_in_form(PromptForm form, const std::string& metric) {
  return front_of_form(form) + metric;
}

std::optional<PromptForm> form_of_metric(const std::string& metric) {
  for (const PromptForm form : kForms)
    if (metric.starts_with(front_of_form(form))) return form;
  return std::nullopt;
}

std::string without_form(const std::string& metric) {
  const std::optional<PromptForm> form = form_of_metric(metric);
  return form ? metric.substr(front_of_form(*form).size()) : metric;
}

std::vector<std::string> question_metrics(const std::string& question) {
  std::vector<std::string> names;
  for (const char* measure : kMeasures) names.push_back(fmt::format("{}_{}", question, measure));
  return names;
}

std::vector<std::string> metric_names(const std::vector<EvalSummary>& runs) {
  std::set<std::string> known;
  for (const EvalSummary& run : runs)
    for (const auto* figures : {&run.base, &run.metrics})
      for (const auto& [name, figure] : *figures) known.insert(name);
  std::vector<std::string> names;
  const auto take = [&](const std::string& name) {
    if (known.erase(name) > 0) names.push_back(name);
  };
  // All of one front, "" being that of the edits' own form.
  const auto take_all = [&](const std::string& front) {
    for (const char* question : kQuestions)
      for (const std::string& name : question_metrics(question)) take(front + name);
    for (const char* name : kLeading) take(front + name);
  };
  take_all("");
  for (const std::string& name : std::set(known))
    if (!form_of_metric(name)) take(name);
  for (const PromptForm form : kForms) take_all(front_of_form(form));
  names.insert(names.end(), known.begin(), known.end());
  return names;
}

bool is_share(const std::string& metric) {
  constexpr std::array<std::string_view, 8> kEnds = {"_success", "_argmax",    "_generated", "_natural",
                                                     "_sampled", "_magnitude", "_unchanged", "_acc"};
  constexpr std::array<std::string_view, 6> kBegins = {"locality_", "specificity_", "portability_",
                                                       "bleed_",    "choice_",      "fact_check_"};
  return without_form(metric) == "score" || metric == "acc" || metric == "acc_norm" ||  // eval abilities
         std::any_of(kEnds.begin(), kEnds.end(),
                     [&](std::string_view end) { return metric.ends_with(end); }) ||
         std::any_of(kBegins.begin(), kBegins.end(),
                     [&](std::string_view begin) { return metric.starts_with(begin); });
}

bool is_proportion(const std::string& metric) {
  return is_share(metric) && !metric.ends_with("_magnitude") && !metric.starts_with("bleed_");
}

std::optional<double> chance_of_form(const std::string& metric) {
  struct Chance {
    std::string_view metric;  // or how it begins
    double share;
  };
  constexpr std::array<Chance, 8> kChances = {{{"negation_success", 0.5},
                                               {"fact_check_success", 0.5},
                                               {"fact_check_all", 1.0 / 16},
                                               {"fact_check_agreed", 0.5},
                                               {"choice_", 1.0 / 3},
                                               {"reversed_success", 0.5},
                                               {"alias_success", 0.5},
                                               {"one_hop_success", 0.5}}};
  for (const Chance& chance : kChances)
    if (metric.starts_with(chance.metric)) return chance.share;
  return std::nullopt;
}

bool is_form_metric(const std::string& metric) {
  constexpr std::array<std::string_view, 7> kBegins = {"negation_",     "fact_check_", "choice_", "reversed_",
                                                       "same_subject_", "alias_",      "one_hop_"};
  return std::any_of(kBegins.begin(), kBegins.end(),
                     [&](std::string_view begin) { return metric.starts_with(begin); });
}

const MetricSummary* find_figure(const std::map<std::string, MetricSummary>& figures,
                                 const std::string& metric) {
  const auto found = figures.find(metric);
  return found == figures.end() || found->second.n == 0 ? nullptr : &found->second;
}

const MetricSummary* find_base_figure(const std::vector<EvalSummary>& runs, const std::string& metric) {
  for (const EvalSummary& run : runs)
    if (const MetricSummary* figure = find_figure(run.base, metric)) return figure;
  return nullptr;
}

}  // namespace emend
