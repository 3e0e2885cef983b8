#include "analysis/causal_trace/trace_json.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/locate.h"

namespace emend {
namespace {

using Out = nlohmann::ordered_json;
using In = nlohmann::json;

// NaN, which JSON does not have, as null.
Out number(double x) {
  return std::isfinite(x) ? Out(x) : Out(nullptr);
}
double number_from(const In& json) {
  return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Out numbers(const std::vector<double>& values) {
  Out list = Out::array();
  for (const double x : values) list.push_back(number(x));
  return list;
}

std::vector<double> numbers_from(const In& json) {
  std::vector<double> values;
  for (const In& x : json) values.push_back(number_from(x));
  return values;
}

Out grid_json(const Grid& grid) {
  Out rows = Out::array();
  for (const auto& row : grid) rows.push_back(numbers(row));
  return rows;
}

Grid grid_from(const In& json) {
  Grid grid;
  for (const In& row : json) grid.push_back(numbers_from(row));
  return grid;
}

using Mask = std::vector<std::vector<bool>>;

Out estimate_json(const GridEstimate& estimate, const Mask& exact) {
  Out json{{"rank_agreement", number(estimate.rank_agreement)},
           {"exact_cells", estimate.exact_cells},
           {"cells", estimate.cells},
           {"values", grid_json(estimate.values)}};
  if (!exact.empty()) json["exact"] = exact;
  return json;
}

std::optional<GridEstimate> estimate_from(const In& json, const char* key, Mask& exact) {
  if (!json.contains("estimates") || !json.at("estimates").contains(key)) return std::nullopt;
  const In& held = json.at("estimates").at(key);
  if (held.contains("exact")) exact = held.at("exact").get<Mask>();
  return GridEstimate{grid_from(held.at("values")), number_from(held.at("rank_agreement")),
                      held.at("exact_cells").get<std::int64_t>(), held.at("cells").get<std::int64_t>()};
}

Out curve_json(const LayerCurve& curve) {
  return {{"mean", numbers(curve.mean)}, {"ci95", numbers(curve.ci95)}, {"n", curve.facts}};
}

FactTrace read_trace(const In& json) {
  FactTrace trace;
  trace.id = json.at("id").get<std::string>();
  trace.prompt = json.at("prompt").get<std::string>();
  trace.subject = json.at("subject").get<std::string>();
  trace.answer = json.at("answer").get<std::string>();
  trace.said = json.at("said").get<std::string>();
  trace.correct = json.at("correct").get<bool>();
  trace.ids = json.at("ids").get<std::vector<std::int64_t>>();
  trace.tokens = json.at("tokens").get<std::vector<std::string>>();
  trace.subject_begin = json.at("subject_begin").get<std::int64_t>();
  trace.subject_end = json.at("subject_end").get<std::int64_t>();
  trace.high = json.at("high").get<double>();
  trace.low = json.at("low").get<double>();
  trace.block = grid_from(json.at("block"));
  trace.mlp = grid_from(json.at("mlp"));
  trace.attention = grid_from(json.at("attn"));
  trace.block_estimate = estimate_from(json, "block", trace.block_exact);
  trace.mlp_estimate = estimate_from(json, "mlp", trace.mlp_exact);
  trace.attention_estimate = estimate_from(json, "attn", trace.attention_exact);
  if (json.contains("severed")) {
    trace.severed_mlp = numbers_from(json.at("severed").at("mlp"));
    trace.severed_attention = numbers_from(json.at("severed").at("attn"));
  }
  if (json.contains("knockout")) {
    trace.knockout_subject = numbers_from(json.at("knockout").at("subject"));
    trace.knockout_others = numbers_from(json.at("knockout").at("others"));
    trace.knockout_last = numbers_from(json.at("knockout").at("last"));
  }
  return trace;
}

}  // namespace

std::filesystem::path decision_file(const std::filesystem::path& folder) {
  return folder / "layer_decision.json";
}

Out trace_json(const FactTrace& trace) {
  Out json{{"id", trace.id},
           {"prompt", trace.prompt},
           {"subject", trace.subject},
           {"answer", trace.answer},
           {"said", trace.said},
           {"correct", trace.correct},
           {"ids", trace.ids},
           {"tokens", trace.tokens},
           {"subject_begin", trace.subject_begin},
           {"subject_end", trace.subject_end},
           {"high", trace.high},
           {"low", trace.low}};
  json["block"] = grid_json(trace.block);
  json["mlp"] = grid_json(trace.mlp);
  json["attn"] = grid_json(trace.attention);
  if (!trace.severed_mlp.empty())
    json["severed"] = {{"mlp", numbers(trace.severed_mlp)}, {"attn", numbers(trace.severed_attention)}};
  if (!trace.knockout_subject.empty())
    json["knockout"] = {{"subject", numbers(trace.knockout_subject)},
                        {"others", numbers(trace.knockout_others)},
                        {"last", numbers(trace.knockout_last)}};
  Out estimates = Out::object();
  if (trace.block_estimate) estimates["block"] = estimate_json(*trace.block_estimate, trace.block_exact);
  if (trace.mlp_estimate) estimates["mlp"] = estimate_json(*trace.mlp_estimate, trace.mlp_exact);
  if (trace.attention_estimate)
    estimates["attn"] = estimate_json(*trace.attention_estimate, trace.attention_exact);
  if (!estimates.empty()) json["estimates"] = std::move(estimates);
  return json;
}

FactTrace trace_from_json(const In& json, const std::string& source) {
  try {
    return read_trace(json);
  } catch (const In::exception& error) {
    throw Error(ErrorKind::kFormat, fmt::format("{}: not a trace of this program: {}", source, error.what()));
  }
}

Out average_json(const TraceAverage& average) {
  Out json{{"facts", average.facts}};
  if (average.facts == 0) return json;
  json["high"] = average.high;
  json["high_ci95"] = number(average.high_ci95);
  json["low"] = average.low;
  json["low_ci95"] = number(average.low_ci95);
  json["ate"] = average.total_effect;
  json["ate_ci95"] = number(average.total_effect_ci95);
  json["roles"] = Out::array();
  for (const RoleAverage& role : average.roles)
    json["roles"].push_back({{"role", role.role},
                             {"block", curve_json(role.block)},
                             {"mlp", curve_json(role.mlp)},
                             {"attn", curve_json(role.attention)}});
  if (average.severed_mlp.facts > 0)
    json["severed"] = {{"ordinary", curve_json(average.severed_ordinary)},
                       {"mlp", curve_json(average.severed_mlp)},
                       {"attn", curve_json(average.severed_attention)}};
  if (average.knockout_subject.facts > 0)
    json["knockout"] = {{"subject", curve_json(average.knockout_subject)},
                        {"others", curve_json(average.knockout_others)},
                        {"last", curve_json(average.knockout_last)}};
  for (const auto& [name, curve] : average.rank_agreement) json["rank_agreement"][name] = curve_json(curve);
  return json;
}

Out ranking_json(const std::vector<LayerScore>& ranking) {
  Out list = Out::array();
  for (const LayerScore& score : ranking)
    list.push_back({{"layer", score.layer}, {"score", number(score.score)}, {"ci95", number(score.ci95)}});
  return list;
}

Out trial_json(const std::vector<TrialScore>& trial) {
  Out list = Out::array();
  for (const TrialScore& score : trial)
    list.push_back({{"layer", score.layer},
                    {"score", number(score.score)},
                    {"ci95", number(score.ci95)},
                    {"facts", score.facts},
                    {"parts", score.parts}});
  return list;
}

Out decision_json(const LayerDecision& decision) {
  return {{"layer", decision.layer},
          {"evidence", to_string(decision.evidence)},
          {"source", decision.source},
          {"method", decision.method},
          {"traced_facts", decision.traced_facts},
          {"trial_facts", decision.trial_facts},
          {"model_fingerprint", decision.model_fingerprint},
          {"prefix", decision.prefix},
          {"trace", ranking_json(decision.trace)},
          {"trial", trial_json(decision.trial)}};
}

std::string_view to_string(LayerEvidence evidence) {
  return evidence == LayerEvidence::kTrial ? "trial" : "depth";
}

namespace {

LayerEvidence evidence_from(const std::string& text, const std::string& source) {
  for (const LayerEvidence evidence : {LayerEvidence::kDepth, LayerEvidence::kTrial})
    if (to_string(evidence) == text) return evidence;
  throw Error(ErrorKind::kFormat,
              fmt::format("{}: \"evidence\" must be \"depth\" or \"trial\", found {}", source, quote(text)));
}

}  // namespace

LayerDecision decision_from_json(const In& json, const std::string& source) {
  try {
    LayerDecision decision;
    decision.layer = json.at("layer").get<int>();
    decision.evidence = evidence_from(json.at("evidence").get<std::string>(), source);
    decision.source = json.at("source").get<std::string>();
    decision.method = json.at("method").get<std::string>();
    decision.traced_facts = json.at("traced_facts").get<std::int64_t>();
    decision.trial_facts = json.at("trial_facts").get<std::int64_t>();
    decision.model_fingerprint = json.at("model_fingerprint").get<std::string>();
    decision.prefix = json.at("prefix").get<std::vector<std::int64_t>>();
    for (const In& entry : json.at("trace"))
      decision.trace.push_back(
          {entry.at("layer").get<int>(), number_from(entry.at("score")), number_from(entry.at("ci95"))});
    for (const In& entry : json.at("trial"))
      decision.trial.push_back({entry.at("layer").get<int>(), number_from(entry.at("score")),
                                number_from(entry.at("ci95")), entry.at("facts").get<std::int64_t>(),
                                entry.at("parts").get<std::map<std::string, double>>()});
    if (decision.evidence == LayerEvidence::kTrial && decision.trial.empty())
      throw Error(ErrorKind::kFormat, source + ": a decision by a trial that holds no scores");
    return decision;
  } catch (const In::exception& error) {
    throw Error(ErrorKind::kFormat, fmt::format("{}: not the decision of a layer: {}", source, error.what()));
  }
}

void save_layer_decision(const LayerDecision& decision, const std::filesystem::path& folder) {
  write_file_atomically(decision_file(folder), decision_json(decision).dump(1) + "\n");
}

std::optional<LayerDecision> load_layer_decision(const Model& model, const std::vector<std::int64_t>& prefix,
                                                 const std::filesystem::path& folder) {
  const std::filesystem::path file = decision_file(folder);
  if (!std::filesystem::exists(file)) return std::nullopt;
  const LayerDecision decision = decision_from_json(read_json_file(file), file.string());
  const std::string remedy =
      "; locating a file of facts with the option keep-decision makes it anew, or remove the file";
  if (decision.model_fingerprint != model.fingerprint())
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the layer was decided for another model{}", file.string(), remedy));
  if (decision.prefix != prefix)
    throw Error(ErrorKind::kModel,
                fmt::format("{}: the layer was decided with another BOS{}", file.string(), remedy));
  if (decision.layer < 0 || decision.layer >= model.config().layers)
    throw Error(ErrorKind::kFormat,
                fmt::format("{}: layer {} is not one of this model", file.string(), decision.layer));
  return decision;
}

}  // namespace emend
