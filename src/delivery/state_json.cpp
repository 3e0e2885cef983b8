#include "delivery/state_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace emend {
namespace {

constexpr std::array<const char*, 3> kStatuses = {"edited", "already true", "failed"};

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
  return request;
}

}  // namespace

Json fact_json(const EditedFact& fact) {
  const EditRequest& request = fact.request;
  Json neighbours = Json::array();
  for (const Neighbour& neighbour : request.neighbours)
    neighbours.push_back({{"prompt", neighbour.prompt}, {"answer", neighbour.answer}});
  return {{"id", request.id},
          {"prompt", request.prompt},
          {"subject", request.subject},
          {"subject_begin", request.subject_begin},
          {"target", request.target},
          {"was", request.was},
          {"paraphrases", request.paraphrases},
          {"neighbours", neighbours},
          {"layer", fact.layer},
          {"status", fact.status},
          {"reason", fact.reason},
          {"steps", fact.steps},
          {"loss", number_json(fact.loss)},
          {"update_norm", number_json(fact.update_norm)},
          {"relative_norm", number_json(fact.relative_norm)}};
}

EditedFact read_fact(const JsonView& view) {
  EditedFact fact;
  fact.request = read_request(view);
  fact.layer = read_int(view, "layer");
  fact.status = view.string("status");
  if (std::find(kStatuses.begin(), kStatuses.end(), fact.status) == kStatuses.end())
    view.at("status").refuse("edited, already true or failed");
  fact.reason = view.string("reason");
  fact.steps = read_int(view, "steps");
  fact.loss = read_number(view, "loss");
  fact.update_norm = read_number(view, "update_norm");
  fact.relative_norm = read_number(view, "relative_norm");
  return fact;
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

Json state_json(const FactState& state) {
  Json paraphrases = Json::array();
  for (const PromptState& paraphrase : state.paraphrases)
    paraphrases.emplace_back(Json(prompt_json(paraphrase)));
  Json neighbours = Json::array();
  for (const FactState::NeighbourState& neighbour : state.neighbours) {
    Json& entry = neighbours.emplace_back(Json(neighbour_json(neighbour)));
    entry["answer"] = neighbour.answer;
  }
  return {{"id", state.id},
          {"prompt", Json(prompt_json(state.prompt))},
          {"paraphrases", paraphrases},
          {"neighbours", neighbours}};
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

Json thresholds_json(const CheckThresholds& thresholds) {
  return {{"efficacy", thresholds.efficacy},
          {"paraphrase", thresholds.paraphrase},
          {"neighbourhood", thresholds.neighbourhood},
          {"drift", thresholds.drift}};
}

CheckThresholds read_thresholds(const JsonView& view) {
  return {view.number("efficacy"), view.number("paraphrase"), view.number("neighbourhood"),
          view.number("drift")};
}

}  // namespace emend
