#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"
#include "emend/eval_results.h"
#include "eval/results/bootstrap.h"
#include "eval/results/interval.h"
#include "eval/results/metric_names.h"

namespace emend {
namespace {

constexpr const char* kScore = "score";
constexpr const char* kScoreGenerated = "score_generated";
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

using ById = std::map<std::string, const RecordResult*>;

struct Pairs {
  std::vector<const RecordResult*> a, b;
};

ById evaluated(const std::vector<RecordResult>& results) {
  ById records;
  for (const RecordResult& record : results)
    if (is_evaluated(record.status)) records[record.id] = &record;
  return records;
}

void require_same_record(const RecordResult& a, const RecordResult& b) {
  if (a.prompt == b.prompt && a.target == b.target) return;
  throw Error(ErrorKind::kConfig,
              fmt::format("the record {} is not the same in both runs: {} -> {} and {} -> {}; compare runs "
                          "over the same data",
                          quote(a.id), quote(a.prompt), quote(a.target), quote(b.prompt), quote(b.target)));
}

// The records that both runs evaluated.
Pairs pair_up(const ById& in_a, const ById& in_b) {
  Pairs pairs;
  for (const auto& [id, record] : in_a) {
    const auto other = in_b.find(id);
    if (other == in_b.end()) continue;
    require_same_record(*record, *other->second);
    pairs.a.push_back(record);
    pairs.b.push_back(other->second);
  }
  return pairs;
}

// Ids of the first that the second has not.
std::vector<std::string> ids_only_in(const ById& first, const ById& second) {
  std::vector<std::string> ids;
  for (const auto& [id, record] : first)
    if (!second.contains(id)) ids.push_back(id);
  return ids;
}

std::vector<double> column(const std::vector<const RecordResult*>& records, const std::string& metric) {
  std::vector<double> values;
  for (const RecordResult* record : records) {
    const auto found = record->metrics.find(metric);
    values.push_back(found == record->metrics.end() ? kNaN : found->second);
  }
  return values;
}

PairedFigure figure_of(const Pairs& pairs, const std::string& metric) {
  PairedFigure figure;
  std::vector<std::string> columns = {metric};
  if (metric == kScore) columns = score_parts();
  if (const auto form = form_of_metric(metric); form && without_form(metric) == kScore)
    columns = score_parts_in(*form);
  if (metric == kScoreGenerated) columns = generated_score_parts();
  for (const std::string& name : columns) {
    figure.a.push_back(column(pairs.a, name));
    figure.b.push_back(column(pairs.b, name));
  }
  return figure;
}

// The metrics that some record has in each run, in the order of the tables; score when its parts are there.
std::vector<std::string> shared_metrics(const Pairs& pairs) {
  std::set<std::string> in_a, in_b;
  for (const RecordResult* record : pairs.a)
    for (const auto& [name, value] : record->metrics) in_a.insert(name);
  for (const RecordResult* record : pairs.b)
    for (const auto& [name, value] : record->metrics) in_b.insert(name);
  EvalSummary both;
  for (const std::string& name : in_a)
    if (in_b.contains(name)) both.metrics[name] = {};
  const auto add_score = [&](const std::string& score, const std::vector<std::string>& parts) {
    if (std::all_of(parts.begin(), parts.end(),
                    [&](const std::string& part) { return both.metrics.contains(part); }))
      both.metrics[score] = {};
  };
  add_score(kScore, score_parts());
  for (const PromptForm form : {PromptForm::kRaw, PromptForm::kChat})
    add_score(metric_in_form(form, kScore), score_parts_in(form));
  return metric_names({both});
}

void warn_of_difference(std::vector<std::string>& warnings, const std::string& what, const std::string& a,
                        const std::string& b) {
  if (a == b) return;
  const auto named = [](const std::string& value) { return value.empty() ? std::string("none") : value; };
  warnings.push_back(fmt::format("the runs differ in their {}: {} and {}", what, named(a), named(b)));
}

std::vector<std::string> differences(const EvalSummary& a, const EvalSummary& b) {
  std::vector<std::string> warnings;
  if (a.model_fingerprint != b.model_fingerprint)
    warnings.push_back(fmt::format("the runs are of different models: {} and {} (fingerprints differ)",
                                   a.model_path, b.model_path));
  if (a.data_fingerprint != b.data_fingerprint)
    warnings.push_back(
        fmt::format("the data files differ: {} and {} (fingerprints differ)", a.data_path, b.data_path));
  warn_of_difference(warnings, "data set", a.dataset, b.dataset);
  warn_of_difference(warnings, "mode", a.mode, b.mode);
  warn_of_difference(warnings, "type of numbers", to_string_or_empty(a.dtype), to_string_or_empty(b.dtype));
  warn_of_difference(warnings, "seed", std::to_string(a.seed), std::to_string(b.seed));
  warn_of_difference(warnings, "version of emend", a.emend, b.emend);
  return warnings;
}

std::vector<ComparedMetric> compare_pairs(const Pairs& pairs, const std::vector<std::string>& metrics,
                                          const BootstrapOptions& options) {
  std::vector<PairedFigure> figures;
  for (const std::string& metric : metrics) figures.push_back(figure_of(pairs, metric));
  const std::vector<PairedDifference> results = paired_bootstrap(figures, options);
  std::vector<ComparedMetric> compared;
  for (std::size_t i = 0; i < metrics.size(); ++i) compared.push_back({metrics[i], results[i]});
  return compared;
}

// Those of the scores and their parts that both runs have, the scores first.
std::vector<std::string> curve_metrics(const Pairs& pairs) {
  const std::vector<std::string> shared = shared_metrics(pairs);
  const auto has = [&](const std::string& metric) {
    return std::find(shared.begin(), shared.end(), metric) != shared.end();
  };
  std::vector<std::string> scores, parts;
  for (const auto& [score, own] :
       {std::pair{"score", score_parts()}, {kScoreGenerated, generated_score_parts()}}) {
    if (std::all_of(own.begin(), own.end(), has)) scores.emplace_back(score);
    std::copy_if(own.begin(), own.end(), std::back_inserter(parts), has);
  }
  scores.insert(scores.end(), parts.begin(), parts.end());
  return scores;
}

// At every number of edits at which both were measured.
std::vector<ComparedPoint> compare_curves(const EvalResults& a, const EvalResults& b,
                                          const BootstrapOptions& options) {
  std::vector<ComparedPoint> points;
  for (const auto& [edits, records] : a.curve) {
    const auto other = b.curve.find(edits);
    if (other == b.curve.end()) continue;
    const Pairs pairs = pair_up(evaluated(records), evaluated(other->second));
    if (!pairs.a.empty()) points.push_back({edits, compare_pairs(pairs, curve_metrics(pairs), options)});
  }
  return points;
}

}  // namespace

Comparison compare_runs(const EvalResults& a, const EvalResults& b, const BootstrapOptions& options) {
  if (options.draws < 1)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option draws must be at least 1, found {}", options.draws));
  Comparison comparison;
  comparison.bootstrap = options;
  comparison.folder_a = a.folder;
  comparison.folder_b = b.folder;
  comparison.name_a = a.summary.name();
  comparison.name_b = b.summary.name();
  if (comparison.name_a == comparison.name_b) {
    comparison.name_a = a.folder.string();
    comparison.name_b = b.folder.string();
  }
  comparison.warnings = differences(a.summary, b.summary);
  const ById in_a = evaluated(a.records), in_b = evaluated(b.records);
  const Pairs pairs = pair_up(in_a, in_b);
  comparison.only_a = ids_only_in(in_a, in_b);
  comparison.only_b = ids_only_in(in_b, in_a);
  comparison.shared = static_cast<std::int64_t>(pairs.a.size());
  if (pairs.a.empty())
    throw Error(ErrorKind::kConfig, fmt::format("{} and {} share no evaluated record: there is nothing to "
                                                "compare; the ids must be the same in both",
                                                a.folder.string(), b.folder.string()));
  comparison.metrics = compare_pairs(pairs, shared_metrics(pairs), options);
  comparison.curve = compare_curves(a, b, options);
  return comparison;
}

Comparison compare_runs(const std::filesystem::path& a, const std::filesystem::path& b,
                        const BootstrapOptions& options) {
  return compare_runs(read_results(a), read_results(b), options);
}

}  // namespace emend
