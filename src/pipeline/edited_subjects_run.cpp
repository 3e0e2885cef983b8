#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "analysis/moments_in_file.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_factors.h"
#include "analysis/statistics_place.h"
#include "base/files.h"
#include "base/strings.h"
#include "emend/edited_subjects.h"
#include "emend/editor_cache.h"
#include "emend/error.h"
#include "emend/statistics.h"
#include "linalg/key_factors.h"
#include "linalg/spd_factor.h"
#include "model/batches.h"
#include "model/rows.h"
#include "pipeline/control_names.h"

namespace emend {
namespace {

// A subject's key depends on its own tokens most, and on what stands in front of it a little.
constexpr std::array kFronts = {
    "", "The ", "I know ", "He told us about ", "Here is a fact. The name is ", "What everybody says of "};

// As ROME's: a share of the mean of C's diagonal.
constexpr double kRelativeRidge = 1e-5;

// The texts behind which a subject's key is read, as requests that say where it stands.
std::vector<EditRequest> texts_of(const CandidateSubject& candidate) {
  std::vector<EditRequest> texts;
  const auto add = [&](const std::string& prompt, std::size_t begin) {
    EditRequest request;
    request.id = request.subject = candidate.subject;
    request.prompt = prompt;
    request.subject_begin = begin;
    texts.push_back(std::move(request));
  };
  for (const std::string front : kFronts) add(front + candidate.subject, front.size());
  if (!candidate.prompt.empty()) add(candidate.prompt, candidate.prompt.find(candidate.subject));
  return texts;
}

// Controls that are made where none are given.
constexpr std::size_t kMadeControls = 400;

// The keys of all texts of all candidates at one layer [texts, F], and whose they are.
struct CandidateKeys {
  std::map<int, at::Tensor> keys;
  std::vector<std::size_t> begin;  // first text of each candidate, and the end
};

CandidateKeys keys_of(const Model& model, const std::vector<CandidateSubject>& candidates,
                      const TokenIds& prefix, const std::vector<int>& layers, std::int64_t token_budget,
                      Progress& progress) {
  CandidateKeys found;
  std::vector<PromptRow> rows;
  std::vector<std::int64_t> lengths;
  for (const CandidateSubject& candidate : candidates) {
    found.begin.push_back(rows.size());
    for (const EditRequest& text : texts_of(candidate)) {
      rows.push_back(bare_row(model.tokenizer(), text, {prefix, PromptForm::kRaw}));
      rows.back().ids.resize(rows.back().lookup + 1);  // what follows changes nothing there
      lengths.push_back(static_cast<std::int64_t>(rows.back().ids.size()));
    }
  }
  found.begin.push_back(rows.size());
  std::map<int, std::vector<at::Tensor>> parts;
  progress.begin("reading keys of the subjects", static_cast<std::int64_t>(rows.size()), "texts");
  for (const RowRange range : split_by_size(lengths, token_budget)) {
    PassInput input;
    for (std::size_t r = range.begin; r < range.end; ++r) input.ids.push_back(rows[r].ids);
    const at::Tensor at = index_tensor(last_tokens(input.ids), model.options().device());
    for (const int layer : layers) input.recordings.push_back({Site::kKey, layer, at});
    input.stop = PassInput::Stop::kKey;
    input.stop_block = layers.back();
    const PassOutput out = model.forward(input);
    for (std::size_t l = 0; l < layers.size(); ++l)
      parts[layers[l]].push_back(out.recorded[l].to(at::kCPU, at::kDouble));
    progress.update(static_cast<std::int64_t>(range.end), "");
  }
  progress.end();
  for (auto& [layer, keys] : parts) found.keys[layer] = at::cat(keys, 0);
  return found;
}

// s(k) of each row of K [n, F]; `inner` is Q^T C Q.
at::Tensor shares(const at::Tensor& K, const at::Tensor& Q, const at::Tensor& inner,
                  const SpdFactor& factor) {
  const at::Tensor along = at::matmul(K, Q);  // Q^T k, one a row
  const at::Tensor solved = at::linalg_solve(inner, along.t()).t();
  const at::Tensor whole = (K * factor.solve(K.t().contiguous()).t()).sum(1);  // k^T C^-1 k
  return (along * solved).sum(1) / whole;
}

// The largest share of a candidate's keys, the mean of them among these.
std::vector<double> largest_shares(const CandidateKeys& read, int layer, const at::Tensor& Q,
                                   const at::Tensor& inner, const SpdFactor& factor) {
  const at::Tensor& keys = read.keys.at(layer);
  std::vector<at::Tensor> means;
  for (std::size_t i = 0; i + 1 < read.begin.size(); ++i)
    means.push_back(
        keys.slice(0, static_cast<std::int64_t>(read.begin[i]), static_cast<std::int64_t>(read.begin[i + 1]))
            .mean(0));
  const at::Tensor each = shares(keys, Q, inner, factor).contiguous(),
                   mean = shares(at::stack(means), Q, inner, factor).contiguous();
  std::vector<double> largest;
  for (std::size_t i = 0; i + 1 < read.begin.size(); ++i) {
    largest.push_back(mean.const_data_ptr<double>()[i]);
    for (std::size_t r = read.begin[i]; r < read.begin[i + 1]; ++r)
      largest.back() = std::max(largest.back(), each.const_data_ptr<double>()[r]);
  }
  return largest;
}

[[noreturn]] void refuse_weights(const Inspection& weights) {
  const bool differs = std::ranges::any_of(
      weights.weights, [](const WeightDifference& weight) { return weight.entry.role == Role::kMlpDown; });
  throw Error(ErrorKind::kModel,
              differs
                  ? "the down projections differ in so many directions, or by so little beside the rounding "
                    "of their stored type, that no subject can be told from them"
                  : "no down projection differs from the base's: no subject was edited there");
}

}  // namespace

std::vector<CandidateSubject> read_candidates(const std::filesystem::path& file) {
  constexpr std::uint64_t kMostBytes = 1 << 26;
  std::vector<CandidateSubject> candidates;
  std::set<std::pair<std::string, std::string>> seen;
  int number = 0;
  for (const std::string& line : split_at(read_text_file(file, kMostBytes), '\n')) {
    ++number;
    const auto fail = [&](const std::string& what) {
      throw Error(ErrorKind::kFormat, fmt::format("{}:{}: {}", file.string(), number, what));
    };
    if (trim(line).empty()) continue;
    const std::size_t tab = line.find('\t');
    CandidateSubject candidate{std::string(trim(line.substr(0, tab))), ""};
    if (tab != std::string::npos) candidate.prompt = std::string(trim(line.substr(tab + 1)));
    if (candidate.subject.empty()) fail("expected a subject in front of the tab");
    if (!candidate.prompt.empty() && candidate.prompt.find(candidate.subject) == std::string::npos)
      fail(fmt::format("the subject {} is not in the prompt {}", quote(candidate.subject),
                       quote(candidate.prompt)));
    if (!seen.insert({candidate.subject, candidate.prompt}).second)
      fail(fmt::format("the subject {} is there twice", quote(candidate.subject)));
    candidates.push_back(std::move(candidate));
  }
  if (candidates.empty())
    throw Error(ErrorKind::kFormat, file.string() + ": no subjects; expected one a line");
  return candidates;
}

namespace {

// With fewer no excess is large enough: (1 + 0) / (1 + n) is the least share.
std::size_t controls_needed(double false_alarms) {
  return static_cast<std::size_t>(std::ceil(1 / false_alarms)) - 1;
}

void require_subject_options(const std::vector<CandidateSubject>& candidates,
                             const EditedSubjectsOptions& options) {
  if (candidates.empty()) throw Error(ErrorKind::kUsage, "there are no subjects");
  if (!(options.false_alarms >= 0.001 && options.false_alarms <= 0.5))
    throw Error(ErrorKind::kUsage, fmt::format("the option false-alarms must be from 0.001 to 0.5, found {}",
                                               options.false_alarms));
  if (options.controls.empty()) return;
  if (const std::size_t least = controls_needed(options.false_alarms); options.controls.size() < least)
    throw Error(ErrorKind::kConfig,
                fmt::format("the option unedited names {} subjects; {} at least are needed "
                            "to tell a share of {} false alarms",
                            options.controls.size(), least, options.false_alarms));
  for (const CandidateSubject& control : options.controls)
    for (const CandidateSubject& candidate : candidates)
      if (control.subject == candidate.subject)
        throw Error(ErrorKind::kConfig, fmt::format("{} is among the subjects and among those of the option "
                                                    "unedited, which were surely not edited",
                                                    quote(control.subject)));
}

// The controls that the run compares with; none: the fixed threshold counts.
std::vector<CandidateSubject> choose_controls(const Tokenizer& tokenizer,
                                              const std::vector<CandidateSubject>& candidates,
                                              const EditedSubjectsOptions& options, EditedSubjects& outcome) {
  if (!options.controls.empty()) return options.controls;
  if (options.threshold || outcome.layers.size() < 2) return {};
  std::vector<CandidateSubject> made = control_names(tokenizer, candidates, kMadeControls);
  if (made.size() < controls_needed(options.false_alarms)) {
    outcome.warnings.push_back(fmt::format(
        "{} layers changed, and only {} names can be made of the parts of these subjects to compare with: "
        "the fixed threshold of {} counts, which lets many subjects through that were not edited; name "
        "subjects that surely were not with the option unedited",
        outcome.layers.size(), made.size(), kEditedScore));
    return {};
  }
  outcome.made = true;
  return made;
}

// Shares at one layer in deviations of the controls.
std::vector<double> standardised(const std::vector<double>& shares, const std::vector<double>& controls) {
  double mean = 0, square = 0;
  for (const double share : controls) mean += share / static_cast<double>(controls.size());
  for (const double share : controls)
    square += (share - mean) * (share - mean) / static_cast<double>(controls.size());
  // Controls that are all alike, as where nothing lies in the span, would make anything an excess.
  const double deviation = std::max(std::sqrt(square), 1e-3);
  std::vector<double> excess;
  for (const double share : shares) excess.push_back((share - mean) / deviation);
  return excess;
}

// From which excess on (1 + c) / (1 + n) is at most `false_alarms`: above the k-th largest of the controls'.
double excess_threshold(std::vector<double> controls, double false_alarms) {
  const auto k =
      static_cast<std::size_t>(std::floor(false_alarms * static_cast<double>(controls.size() + 1) + 1e-9));
  std::sort(controls.rbegin(), controls.rend());
  return std::nextafter(controls.at(k - 1), std::numeric_limits<double>::infinity());
}

// Fills `excess` and `edited` of the subjects from the shares of the controls, [layer][control].
void compare_with_controls(const std::vector<std::vector<double>>& controls, double false_alarms,
                           EditedSubjects& outcome) {
  std::vector<double> of_controls(controls.front().size(), -std::numeric_limits<double>::infinity());
  for (std::size_t l = 0; l < controls.size(); ++l) {
    std::vector<double> shares;
    for (const SubjectScore& subject : outcome.subjects) shares.push_back(subject.by_layer[l]);
    const std::vector<double> excess = standardised(shares, controls[l]),
                              own = standardised(controls[l], controls[l]);
    for (std::size_t i = 0; i < excess.size(); ++i) {
      std::optional<double>& largest = outcome.subjects[i].excess;
      largest = largest ? std::max(*largest, excess[i]) : excess[i];
    }
    for (std::size_t i = 0; i < own.size(); ++i) of_controls[i] = std::max(of_controls[i], own[i]);
  }
  outcome.controls = static_cast<std::int64_t>(of_controls.size());
  outcome.false_alarms = false_alarms;
  outcome.excess_threshold = excess_threshold(of_controls, false_alarms);
  for (SubjectScore& subject : outcome.subjects) subject.edited = *subject.excess >= outcome.excess_threshold;
}

std::map<int, at::Tensor> changed_directions(const Model& base, const Inspection& weights) {
  std::map<int, at::Tensor> directions;
  for (const WeightDifference& weight : weights.weights)
    if (weight.directions.defined() && weight.directions.size(0) == base.config().d_ff)
      directions[weight.entry.block] = weight.directions;
  if (directions.empty()) refuse_weights(weights);
  return directions;
}

Statistics statistics_of(const Model& base, const TokenIds& prefix, const EditedSubjects& outcome) {
  Statistics moments = load_statistics_in_file(base, outcome.layers, prefix, outcome.statistics);
  if (!moments.layers.empty()) return moments;
  std::vector<std::string> layers;
  for (const int layer : outcome.layers) layers.push_back(std::to_string(layer));
  throw Error(
      ErrorKind::kConfig,
      fmt::format(
          "{}: there are no statistics of layer {} of the base: collect them for these layers and name "
          "the folder with the option statistics",
          outcome.statistics.string(), join(layers)));
}

}  // namespace

EditedSubjects find_edited_subjects(const Model& base, const Model& edited, const Inspection& weights,
                                    const std::vector<CandidateSubject>& candidates,
                                    const EditedSubjectsOptions& options, Progress& progress) {
  const c10::NoGradGuard no_grad;
  require_subject_options(candidates, options);
  EditedSubjects outcome;
  outcome.threshold = options.threshold.value_or(kEditedScore);
  const std::map<int, at::Tensor> directions = changed_directions(base, weights);
  for (const auto& [layer, Q] : directions) {
    outcome.layers.push_back(layer);
    outcome.ranks.push_back(Q.size(1));
    outcome.expected += static_cast<double>(Q.size(1)) / static_cast<double>(Q.size(0) * directions.size());
  }
  const TokenIds prefix = row_prefix(base.tokenizer(), "auto", PromptForm::kRaw);
  outcome.statistics = options.statistics;
  if (options.statistics.empty()) {
    StatisticsPlace place = find_statistics(base, prefix, wanted_statistics(outcome.layers));
    if (!place.note.empty()) progress.note(place.note);
    outcome.statistics = std::move(place.folder);
  }
  const Statistics moments = statistics_of(base, prefix, outcome);
  std::vector<CandidateSubject> asked = candidates;
  const std::vector<CandidateSubject> controls =
      choose_controls(base.tokenizer(), candidates, options, outcome);
  asked.insert(asked.end(), controls.begin(), controls.end());
  const CandidateKeys keys = keys_of(edited, asked, prefix, outcome.layers, options.token_budget, progress);
  for (const CandidateSubject& candidate : candidates)
    outcome.subjects.push_back({candidate.subject, 0, false, {}, std::nullopt});
  std::vector<std::vector<double>> of_controls;
  for (const auto& [layer, Q] : directions) {
    EditorCache cache(outcome.statistics);  // where ROME keeps its factors; in memory one layer's at a time
    const at::Tensor& C = moments.layers.at(layer).C;
    const auto factor = cache.factors().get(layer, moment_identity(moments, layer), C, kRelativeRidge,
                                            base.options().device(), fmt::format("C of layer {}", layer));
    const at::Tensor inner = at::matmul(Q.t(), ridged_product(C, factor->info().ridge, Q));
    let_go_of(C);
    const std::vector<double> largest = largest_shares(keys, layer, Q, inner, *factor);
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      outcome.subjects[i].by_layer.push_back(largest[i]);
      outcome.subjects[i].score += largest[i] / static_cast<double>(directions.size());
    }
    of_controls.emplace_back(largest.begin() + static_cast<std::ptrdiff_t>(candidates.size()), largest.end());
    progress.poll();
  }
  for (SubjectScore& subject : outcome.subjects) subject.edited = subject.score >= outcome.threshold;
  if (!controls.empty()) compare_with_controls(of_controls, options.false_alarms, outcome);
  return outcome;
}

}  // namespace emend
