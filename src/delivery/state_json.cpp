#include "delivery/state_json.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

#include "base/strings.h"
#include "delivery/patch_tensors.h"

namespace emend {
namespace {

constexpr std::array kStatuses = {FactStatus::kEdited, FactStatus::kAlreadyTrue, FactStatus::kFailed};
constexpr std::array kRules = {SolveRule::kEquality, SolveRule::kEachAlone, SolveRule::kLeastSquares,
                               SolveRule::kNullSpace, SolveRule::kTrained};

Json number_json(double number) {
  return std::isfinite(number) ? Json(number) : Json(nullptr);
}

// The key has to be there; null stands for a number that is not finite.
double read_number(const JsonView& view, std::string_view key) {
  if (const auto value = view.find(key)) return value->as_number();
  if (view.json().contains(std::string(key))) return std::numeric_limits<double>::quiet_NaN();
  return view.number(key);  // throws
}

int read_int(const JsonView& view, std::string_view key) {
  const JsonView value = view.at(key);
  const std::int64_t number = value.as_non_negative_integer();
  if (number > std::numeric_limits<int>::max()) value.refuse("a smaller integer");
  return static_cast<int>(number);
}

PromptState read_prompt(const JsonView& view) {
  PromptState state;
  state.p_target = read_number(view, "p_target");
  state.p_was = read_number(view, "p_was");
  state.argmax_target = view.at("argmax_target").as_bool();
  state.completion = view.string("completion");
  return state;
}

EditRequest read_request(const JsonView& view) {
  EditRequest request;
  request.id = view.string("id");
  request.prompt = view.string("prompt");
  request.subject = view.string("subject");
  const std::int64_t begin = view.at("subject_begin").as_non_negative_integer();
  if (static_cast<std::size_t>(begin) > request.prompt.size() || request.subject.empty() ||
      request.prompt.compare(static_cast<std::size_t>(begin), request.subject.size(), request.subject) != 0)
    view.at("subject_begin").refuse("where the subject begins in the prompt");
  request.subject_begin = static_cast<std::size_t>(begin);
  request.target = view.string("target");
  if (request.target.empty()) view.at("target").refuse("a text that is not empty");
  request.was = view.string("was");
  request.paraphrases = view.at("paraphrases").as_strings();
  for (const JsonView& neighbour : view.at("neighbours").elements())
    request.neighbours.push_back({neighbour.string("prompt"), neighbour.string("answer")});
  if (const auto bleed = view.find("bleed"))  // patches without other subjects do not have it
    for (const JsonView& other : bleed->elements())
      request.bleed.push_back({other.string("subject"), other.string("answer")});
  return request;
}

WeightRef read_weight_name(const JsonView& view) {
  try {
    return patch_tensors::parse_weight(view.as_string());
  } catch (const std::invalid_argument&) {
    view.refuse("the name of a weight, such as \"model.layers.4.mlp_down\"");
  }
}

Json request_json(const EditRequest& request) {
  Json neighbours = Json::array();
  for (const Neighbour& neighbour : request.neighbours)
    neighbours.push_back({{"prompt", neighbour.prompt}, {"answer", neighbour.answer}});
  Json json = {{"id", request.id},
               {"prompt", request.prompt},
               {"subject", request.subject},
               {"subject_begin", request.subject_begin},
               {"target", request.target},
               {"was", request.was},
               {"paraphrases", request.paraphrases},
               {"neighbours", neighbours}};
  for (const OtherSubject& other : request.bleed)
    json["bleed"].push_back({{"subject", other.subject}, {"answer", other.answer}});
  return json;
}

Json protected_key_json(const ProtectedKey& key) {
  return {{"subject", key.subject},
          {"cosine", number_json(key.cosine)},
          {"response", number_json(key.response)},
          {"norm", number_json(key.norm)}};
}

ProtectedKey read_protected_key(const JsonView& view) {
  return {view.string("subject"), read_number(view, "cosine"), read_number(view, "response"),
          read_number(view, "norm")};
}

// The keys of facts that were not edited are not kept.
Json part_json(const FactPart& part, bool is_edited) {
  Json json = {{"weight", patch_tensors::weight(part.weight)},
               {"keys", is_edited && part.answers.defined() ? part.answers.numel() : 0},
               {"rows", part.rows},
               {"update_norm", number_json(part.update_norm)},
               {"relative_norm", number_json(part.relative_norm)}};
  for (const ProtectedKey& key : part.protected_keys) json["protected"].push_back(protected_key_json(key));
  return json;
}

FactPart read_part(const JsonView& view) {
  FactPart part;
  part.weight = read_weight_name(view.at("weight"));
  if (const int keys = read_int(view, "keys"); keys > 0)
    part.answers = at::zeros({1}, at::kFloat).expand({keys});  // a size without memory
  for (const JsonView& row : view.at("rows").elements()) part.rows.push_back(row.as_non_negative_integer());
  part.update_norm = read_number(view, "update_norm");
  part.relative_norm = read_number(view, "relative_norm");
  if (const auto keys = view.find("protected"))
    for (const JsonView& key : keys->elements()) part.protected_keys.push_back(read_protected_key(key));
  return part;
}

// The value of a key that holds one of a few words.
template <typename Enum, std::size_t n>
Enum read_word(const JsonView& view, std::string_view key, const std::array<Enum, n>& known) {
  const std::string& word = view.string(key);
  std::vector<std::string> words;
  for (const Enum value : known) {
    if (word == to_string(value)) return value;
    words.emplace_back(to_string(value));
  }
  const std::string last = words.back();
  words.pop_back();
  view.at(key).refuse(fmt::format("{} or {}", join(words), last));
}

std::optional<FactState> read_optional_state(const JsonView& view, std::string_view key,
                                             const EditRequest& request) {
  const auto value = view.find(key);
  if (!value) return std::nullopt;
  FactState state = read_state(*value);
  if (!is_state_of(state, request)) value->refuse("a state of the fact " + quote(request.id));
  return state;
}

// Each weight once, in their order, and keys where the fact was edited.
void check_parts(const FactRecord& fact, const JsonView& view) {
  if (fact.parts.empty()) view.refuse("the weights that the fact is written to");
  for (std::size_t i = 0; i < fact.parts.size(); ++i) {
    if (i > 0 && !(fact.parts[i - 1].weight < fact.parts[i].weight))
      view.refuse("a list of different weights in the order of their blocks");
    if (fact.parts[i].answers.defined() != fact.is_edited())
      view.refuse(fact.is_edited() ? "parts with at least one key"
                                   : "parts without keys, as the fact was not edited");
  }
}

// What both formats say of a fact.
FactRecord read_plain_fact(const JsonView& view) {
  FactRecord fact;
  fact.request = read_request(view);
  fact.status = read_word(view, "status", kStatuses);
  fact.reason = view.string("reason");
  fact.steps = read_int(view, "steps");
  fact.loss = read_number(view, "loss");
  return fact;
}

}  // namespace

bool is_state_of(const FactState& state, const EditRequest& request) {
  return state.id == request.id && state.paraphrases.size() == request.paraphrases.size() &&
         state.neighbours.size() == request.neighbours.size() && state.bleed.size() == request.bleed.size();
}

Json fact_json(const FactRecord& fact) {
  Json parts = Json::array();
  for (const FactPart& part : fact.parts) parts.push_back(part_json(part, fact.is_edited()));
  Json json = request_json(fact.request);
  json["status"] = to_string(fact.status);
  json["reason"] = fact.reason;
  json["steps"] = fact.steps;
  json["loss"] = number_json(fact.loss);
  json["parts"] = std::move(parts);
  json["before"] = fact.before ? state_json(*fact.before) : Json(nullptr);
  json["after"] = fact.after ? state_json(*fact.after) : Json(nullptr);
  return json;
}

FactRecord read_fact(const JsonView& view) {
  FactRecord fact = read_plain_fact(view);
  for (const JsonView& part : view.at("parts").elements()) fact.parts.push_back(read_part(part));
  check_parts(fact, view.at("parts"));
  fact.before = read_optional_state(view, "before", fact.request);
  fact.after = read_optional_state(view, "after", fact.request);
  return fact;
}

FactRecord read_format1_fact(const JsonView& view) {
  FactRecord fact = read_plain_fact(view);
  FactPart part;
  part.weight.block = read_int(view, "layer");
  part.update_norm = read_number(view, "update_norm");
  part.relative_norm = read_number(view, "relative_norm");
  fact.parts = {std::move(part)};
  return fact;
}

Json solve_json(const WeightSolve& solve) {
  Json json = {{"weight", patch_tensors::weight(solve.weight)},
               {"rule", to_string(solve.rule)},
               {"statistics_fingerprint", solve.statistics_fingerprint},
               {"relative_ridge", number_json(solve.relative_ridge)},
               {"lambda", number_json(solve.lambda)}};
  if (solve.null_space_threshold > 0) json["null_space_threshold"] = number_json(solve.null_space_threshold);
  if (solve.lambda_of_several > 0) json["lambda_of_several"] = number_json(solve.lambda_of_several);
  if (solve.protected_keys > 0) {
    json["protected_keys"] = solve.protected_keys;
    json["key_condition"] = number_json(solve.key_condition);
  }
  return json;
}

WeightSolve read_solve(const JsonView& view) {
  WeightSolve solve;
  solve.weight = read_weight_name(view.at("weight"));
  solve.rule = read_word(view, "rule", kRules);
  solve.statistics_fingerprint = view.string("statistics_fingerprint");
  if (solve.statistics_fingerprint.find_first_not_of("0123456789abcdef") != std::string::npos)
    view.at("statistics_fingerprint").refuse("hexadecimal digits");
  solve.relative_ridge = view.number("relative_ridge");
  if (!(solve.relative_ridge >= 0)) view.at("relative_ridge").refuse("a number from 0");
  solve.lambda = view.number("lambda");
  if (!(solve.lambda >= 0)) view.at("lambda").refuse("a number from 0");
  if (const auto threshold = view.find("null_space_threshold")) {
    solve.null_space_threshold = threshold->as_number();
    if (!(solve.null_space_threshold > 0)) threshold->refuse("a number above 0");
  }
  if (const auto lambda = view.find("lambda_of_several")) {
    solve.lambda_of_several = lambda->as_number();
    if (!(solve.lambda_of_several > 0)) lambda->refuse("a number above 0");
  }
  if (const auto keys = view.find("protected_keys")) {
    solve.protected_keys = keys->as_non_negative_integer();
    solve.key_condition = read_number(view, "key_condition");
  }
  return solve;
}

ResultJson prompt_json(const PromptState& state) {
  return {{"p_target", number_json(state.p_target)},
          {"p_was", number_json(state.p_was)},
          {"argmax_target", state.argmax_target},
          {"completion", state.completion}};
}

ResultJson neighbour_json(const FactState::NeighbourState& state) {
  return {{"p_answer", number_json(state.p_answer)},
          {"p_target", number_json(state.p_target)},
          {"completion", state.completion}};
}

ResultJson other_subject_json(const FactState::OtherSubjectState& state) {
  return {{"p_answer", number_json(state.p_answer)},
          {"p_target", number_json(state.p_target)},
          {"argmax_answer", state.argmax_answer},
          {"completion", state.completion}};
}

Json state_json(const FactState& state) {
  Json paraphrases = Json::array();
  for (const PromptState& paraphrase : state.paraphrases)
    paraphrases.emplace_back(Json(prompt_json(paraphrase)));
  Json neighbours = Json::array();
  for (const FactState::NeighbourState& neighbour : state.neighbours) {
    Json& entry = neighbours.emplace_back(Json(neighbour_json(neighbour)));
    entry["answer"] = neighbour.answer;
  }
  Json json = {{"id", state.id},
               {"prompt", Json(prompt_json(state.prompt))},
               {"paraphrases", paraphrases},
               {"neighbours", neighbours}};
  for (const FactState::OtherSubjectState& other : state.bleed) {
    Json entry = Json(other_subject_json(other));
    entry["subject"] = other.subject;
    entry["answer"] = other.answer;
    json["bleed"].push_back(std::move(entry));
  }
  return json;
}

FactState read_state(const JsonView& view) {
  FactState state;
  state.id = view.string("id");
  state.prompt = read_prompt(view.at("prompt"));
  for (const JsonView& paraphrase : view.at("paraphrases").elements())
    state.paraphrases.push_back(read_prompt(paraphrase));
  for (const JsonView& neighbour : view.at("neighbours").elements())
    state.neighbours.push_back({neighbour.string("answer"), read_number(neighbour, "p_answer"),
                                read_number(neighbour, "p_target"), neighbour.string("completion")});
  if (const auto bleed = view.find("bleed"))
    for (const JsonView& other : bleed->elements())
      state.bleed.push_back({other.string("subject"), other.string("answer"), read_number(other, "p_answer"),
                             read_number(other, "p_target"), other.at("argmax_answer").as_bool(),
                             other.string("completion")});
  return state;
}

Json check_json(const CheckResult& check) {
  return {{"name", check.name},
          {"value", check.value ? number_json(*check.value) : Json(nullptr)},
          {"threshold", check.threshold},
          {"passed", check.passed},
          {"n", check.n}};
}

CheckResult read_check(const JsonView& view) {
  CheckResult check;
  check.name = view.string("name");
  const double value = read_number(view, "value");
  if (!std::isnan(value)) check.value = value;
  check.threshold = view.number("threshold");
  check.passed = view.at("passed").as_bool();
  if (check.passed && !check.value) view.at("passed").refuse("false where nothing was measured");
  check.n = view.at("n").as_non_negative_integer();
  return check;
}

Json thresholds_json(const CheckThresholds& thresholds, bool with_bleed) {
  Json json = {{"efficacy", thresholds.efficacy},
               {"paraphrase", thresholds.paraphrase},
               {"neighbourhood", thresholds.neighbourhood},
               {"drift", thresholds.drift}};
  if (with_bleed) json["bleed"] = thresholds.bleed;
  if (thresholds.said) json["said"] = *thresholds.said;
  return json;
}

CheckThresholds read_thresholds(const JsonView& view) {
  CheckThresholds thresholds{view.number("efficacy"), view.number("paraphrase"), view.number("neighbourhood"),
                             view.number("drift")};
  thresholds.bleed = view.number_or("bleed", thresholds.bleed);  // patches without other subjects have none
  if (view.has("said")) thresholds.said = view.number("said");
  return thresholds;
}

}  // namespace emend
