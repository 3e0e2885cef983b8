#include "reports/kl_report.h"

#include <fmt/format.h>

#include <cmath>

#include "emend/version.h"
#include "pipeline/result_json.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

std::string with_error(const MeanWithError& value, int digits) {
  return fmt::format("{} ± {}", number_text(value.mean, digits), number_text(value.error, 2));
}

std::string interval_text(const PairedDifference& difference) {
  return difference.n > 1
             ? fmt::format("[{}, {}]", number_text(difference.low, 3), number_text(difference.high, 3))
             : "-";
}

Table divergence_table(const KlOutcome& outcome) {
  std::vector<TableColumn> heads = {{"model"}};
  for (const char* head : {"mean KL", "95 % interval", "median", "90 %", "99 %", "99.9 %", "largest"})
    heads.push_back({head, Align::kRight});
  Table table(heads);
  for (const KlRow& row : outcome.rows) {
    const KlFigures& f = row.figures;
    table.add_row({row.name, with_error(f.kl, 4), interval_text(row.mean), number_text(f.median),
                   number_text(f.p90), number_text(f.p99), number_text(f.p99_9), number_text(f.largest)});
  }
  return table;
}

Table text_table(const KlOutcome& outcome) {
  std::vector<TableColumn> heads = {{"model"}};
  for (const char* head : {"same top, %", "perplexity", "over the base's", "mean dp, %", "rms dp, %"})
    heads.push_back({head, Align::kRight});
  heads.push_back({"file", Align::kLeft, 12});
  Table table(heads);
  const auto percent = [](const MeanWithError& share) {
    return with_error({100 * share.mean, 100 * share.error}, 4);
  };
  for (const KlRow& row : outcome.rows) {
    const KlFigures& f = row.figures;
    table.add_row({row.name, percent(f.same_top), with_error(f.perplexity, 5),
                   with_error(f.perplexity_ratio, 5), percent(f.dp), percent(f.dp_rms),
                   row.file.string() + (row.patched ? " with the patches" : "")});
  }
  return table;
}

const KlRow& row_named(const KlOutcome& outcome, const std::string& name) {
  std::size_t i = 0;
  while (i + 1 < outcome.rows.size() && outcome.rows[i].name != name) ++i;
  return outcome.rows[i];
}

// "less than", "more than", or neither, by the interval of the difference.
std::string verdict(const PairedDifference& difference) {
  if (difference.n < 2) return "which one chunk cannot tell apart";
  if (difference.high < 0) return "less";
  return difference.low > 0 ? "more" : "which cannot be told apart";
}

std::string comparison_text(const KlOutcome& outcome, const KlComparison& comparison) {
  return fmt::format("{} against {}: {} and {} nats a token, difference {} {}: {}.\n", comparison.b,
                     comparison.a, number_text(row_named(outcome, comparison.b).figures.kl.mean, 3),
                     number_text(row_named(outcome, comparison.a).figures.kl.mean, 3),
                     number_text(comparison.difference.difference, 3), interval_text(comparison.difference),
                     verdict(comparison.difference));
}

ResultJson json_of(const MeanWithError& value) {
  return {{"mean", value.mean}, {"stderr", value.error}};
}

ResultJson json_of(const KlBase& base) {
  return {{"file", base.file.string()},
          {"context", base.context},
          {"vocab", base.vocab},
          {"chunks", base.chunks},
          {"positions", base.positions}};
}

ResultJson json_of(const KlRow& row) {
  const KlFigures& f = row.figures;
  ResultJson kl = json_of(f.kl);
  kl["low"] = row.mean.low;
  kl["high"] = row.mean.high;
  kl["percentiles"] = {{"0", f.least}, {"1", f.p1},   {"5", f.p5},   {"10", f.p10},     {"50", f.median},
                       {"90", f.p90},  {"95", f.p95}, {"99", f.p99}, {"99.9", f.p99_9}, {"100", f.largest}};
  kl["chunks"] = f.chunk_kl;
  return {{"name", row.name},
          {"file", row.file.string()},
          {"patched", row.patched},
          {"kl", kl},
          {"same_top", json_of(f.same_top)},
          {"perplexity", json_of(f.perplexity)},
          {"perplexity_base", json_of(f.perplexity_base)},
          {"perplexity_ratio", json_of(f.perplexity_ratio)},
          {"dp", json_of(f.dp)},
          {"dp_rms", json_of(f.dp_rms)}};
}

ResultJson json_of(const KlComparison& comparison) {
  const PairedDifference& d = comparison.difference;
  return {{"a", comparison.a}, {"b", comparison.b}, {"difference", d.difference},
          {"low", d.low},      {"high", d.high},    {"p", d.p},
          {"chunks", d.n}};
}

}  // namespace

std::string kl_text(const KlOutcome& outcome, std::size_t columns) {
  std::string text =
      divergence_table(outcome).text(columns) + "\n" + text_table(outcome).text(columns) + "\n";
  text += fmt::format(
      "Base file {}: {} chunks of {} tokens, {} positions. KL(base || model) of the next token in nats; "
      "±: standard error as if positions were\nindependent, as llama.cpp prints it; interval: bootstrap over "
      "chunks, {} draws, seed {}.\n",
      outcome.base.file.string(), count_text(outcome.base.chunks), count_text(outcome.base.context),
      count_text(outcome.base.positions), count_text(outcome.bootstrap.draws), outcome.bootstrap.seed);
  for (const KlComparison& comparison : outcome.comparisons) text += comparison_text(outcome, comparison);
  return text;
}

ResultJson kl_json(const KlOutcome& outcome) {
  ResultJson json = {{"emend", emend_version()}, {"base", json_of(outcome.base)}};
  json["models"] = ResultJson::array();
  for (const KlRow& row : outcome.rows) json["models"].push_back(json_of(row));
  json["comparisons"] = ResultJson::array();
  for (const KlComparison& comparison : outcome.comparisons)
    json["comparisons"].push_back(json_of(comparison));
  json["draws"] = outcome.bootstrap.draws;
  json["seed"] = outcome.bootstrap.seed;
  json["warnings"] = outcome.warnings;
  json["seconds"] = outcome.seconds;
  return json;
}

std::string kl_written_text(const KlWritten& written) {
  return fmt::format("Base file: {}, {} chunks of {} tokens, {} positions; perplexity {}\n",
                     written.base.file.string(), count_text(written.base.chunks),
                     count_text(written.base.context), count_text(written.base.positions),
                     with_error(written.perplexity, 5));
}

ResultJson kl_written_json(const KlWritten& written, const Model& model) {
  return {{"emend", emend_version()},
          {"model", model_json(model)},
          {"base", json_of(written.base)},
          {"perplexity", json_of(written.perplexity)}};
}

}  // namespace emend
