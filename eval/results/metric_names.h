// The names of metrics: in which order they are read, which are shares, where a figure is found.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "emend/eval.h"
#include "emend/records.h"

namespace emend {

// What a fact is asked by.
inline constexpr std::array<const char*, 3> kQuestions = {"efficacy", "paraphrase", "neighbourhood"};
// "efficacy_success", "efficacy_argmax", "efficacy_generated", "efficacy_magnitude".
std::vector<std::string> question_metrics(const std::string& question);

// Every metric of any run, before or after: those of the questions, then the scores, fluency, consistency and
// drift, then the others by name; those of the other form come last, in the same order.
std::vector<std::string> metric_names(const std::vector<EvalSummary>& runs);

// A figure of the form that the edits were not made in: "raw_efficacy_success".
std::string metric_in_form(PromptForm form, const std::string& metric);
// Its form, and its name without it ("efficacy_success"). std::nullopt, and the name as it is: a figure of
// the edits' own form.
std::optional<PromptForm> form_of_metric(const std::string& metric);
std::string without_form(const std::string& metric);

// Whether a metric is a share or a difference of probabilities, printed in percent: `*_success`, `*_argmax`,
// `*_generated`, `*_natural`, `*_sampled`, `*_magnitude`, `*_unchanged`, `*_acc`, `locality_*`,
// `specificity_*`, `portability_*`, `bleed_*`, `choice_*`, `fact_check_*`, `score`; `acc`, `acc_norm` of
// abilities.
bool is_share(const std::string& metric);

// Whether it is a share that lies between 0 and 1: not a difference of probabilities (`*_magnitude`,
// `bleed_*`).
bool is_proportion(const std::string& metric);

// Whether it is a figure of a form that was built from a template (eval/form_questions.h): `negation_*`,
// `fact_check_*`, `choice_*`, `reversed_*`, `same_subject_*`, `alias_*`, `one_hop_*`.
bool is_form_metric(const std::string& metric);
// What such a figure is for answers drawn at random; std::nullopt where no such level is defined.
std::optional<double> chance_of_form(const std::string& metric);

// One of EvalSummary::base and ::metrics. Returns nullptr if it does not exist or has no records.
const MetricSummary* find_figure(const std::map<std::string, MetricSummary>& figures,
                                 const std::string& metric);

// What the unedited model has, from the first run that measured it: the runs share model and data.
const MetricSummary* find_base_figure(const std::vector<EvalSummary>& runs, const std::string& metric);

}  // namespace emend
