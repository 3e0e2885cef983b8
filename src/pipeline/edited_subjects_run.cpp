#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "analysis/moments_in_file.h"
#include "analysis/prompt_rows.h"
#include "analysis/statistics_factors.h"
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

// C Q with the ridge, for Q [F, n]: C + ridge I stands for C everywhere. C may lie in its file as float32 and
// is widened a few rows at a time.
at::Tensor ridged_product(const at::Tensor& C, double ridge, const at::Tensor& Q) {
  if (is_diagonal(C)) return (C.to(at::kDouble) + ridge).unsqueeze(1) * Q;
  constexpr std::int64_t kRows = 1024;
  at::Tensor CQ = ridge * Q;
  for (std::int64_t begin = 0; begin < C.size(0); begin += kRows) {
    const std::int64_t rows = std::min(kRows, C.size(0) - begin);
    CQ.narrow(0, begin, rows).add_(at::matmul(C.narrow(0, begin, rows).to(at::kDouble), Q));
  }
  return CQ;
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
  for (std::string line : split_at(read_text_file(file, kMostBytes), '\n')) {
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

EditedSubjects find_edited_subjects(const Model& base, const Inspection& weights,
                                    const std::vector<CandidateSubject>& candidates,
                                    const std::filesystem::path& statistics, std::int64_t token_budget,
                                    double threshold, Progress& progress) {
  const c10::NoGradGuard no_grad;
  EditedSubjects outcome;
  outcome.threshold = threshold;
  std::map<int, at::Tensor> directions;
  for (const WeightDifference& weight : weights.weights)
    if (weight.directions.defined() && weight.directions.size(0) == base.config().d_ff)
      directions[weight.entry.block] = weight.directions;
  if (directions.empty()) refuse_weights(weights);
  for (const auto& [layer, Q] : directions) {
    outcome.layers.push_back(layer);
    outcome.ranks.push_back(Q.size(1));
    outcome.expected += static_cast<double>(Q.size(1)) / static_cast<double>(Q.size(0) * directions.size());
  }
  const TokenIds prefix = row_prefix(base.tokenizer(), "auto", PromptForm::kRaw);
  outcome.statistics = statistics.empty() ? default_statistics_folder(base, prefix) : statistics;
  const Statistics moments = load_statistics_in_file(base, outcome.layers, prefix, outcome.statistics);
  if (moments.layers.empty()) {
    std::vector<std::string> layers;
    for (const int layer : outcome.layers) layers.push_back(std::to_string(layer));
    throw Error(
        ErrorKind::kConfig,
        fmt::format(
            "{}: there are no statistics of layer {} of the base: collect them for these layers and name "
            "the folder with the option statistics",
            outcome.statistics.string(), join(layers)));
  }
  const CandidateKeys keys = keys_of(base, candidates, prefix, outcome.layers, token_budget, progress);
  for (const CandidateSubject& candidate : candidates)
    outcome.subjects.push_back({candidate.subject, 0, false});
  for (const auto& [layer, Q] : directions) {
    EditorCache cache(outcome.statistics);  // where ROME keeps its factors; in memory one layer's at a time
    const at::Tensor& C = moments.layers.at(layer).C;
    const auto factor = cache.factors().get(layer, moment_identity(moments, layer), C, kRelativeRidge,
                                            base.options().device(), fmt::format("C of layer {}", layer));
    const at::Tensor inner = at::matmul(Q.t(), ridged_product(C, factor->info().ridge, Q));
    let_go_of(C);
    const std::vector<double> largest = largest_shares(keys, layer, Q, inner, *factor);
    for (std::size_t i = 0; i < largest.size(); ++i)
      outcome.subjects[i].score += largest[i] / static_cast<double>(directions.size());
    progress.poll();
  }
  for (SubjectScore& subject : outcome.subjects) subject.edited = subject.score >= threshold;
  return outcome;
}

}  // namespace emend
