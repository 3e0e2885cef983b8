#include "pipeline/result_json.h"

#include "delivery/state_json.h"

namespace emend {
namespace {

ResultJson paraphrases_json(const MeasuredFact& measured) {
  ResultJson list = ResultJson::array();
  const auto& prompts = measured.fact->request.paraphrases;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    list.push_back({{"prompt", prompts[i]},
                    {"before", prompt_json(measured.before->paraphrases[i])},
                    {"after", prompt_json(measured.after->paraphrases[i])}});
  return list;
}

ResultJson neighbours_json(const MeasuredFact& measured) {
  ResultJson list = ResultJson::array();
  const auto& neighbours = measured.fact->request.neighbours;
  for (std::size_t i = 0; i < neighbours.size(); ++i)
    list.push_back({{"prompt", neighbours[i].prompt},
                    {"answer", measured.before->neighbours[i].answer},
                    {"before", neighbour_json(measured.before->neighbours[i])},
                    {"after", neighbour_json(measured.after->neighbours[i])}});
  return list;
}

// A patch that stores no states says what it changes only.
ResultJson plain_edits_json(const std::vector<EditedFact>& facts) {
  ResultJson list = ResultJson::array();
  for (const EditedFact& fact : facts)
    list.push_back({{"id", fact.request.id},
                    {"prompt", fact.request.prompt},
                    {"subject", fact.request.subject},
                    {"target", fact.request.target},
                    {"was", fact.request.was},
                    {"layer", fact.layer},
                    {"status", fact.status}});
  return list;
}

}  // namespace

std::vector<MeasuredFact> pair_up(const std::vector<EditedFact>& facts, const std::vector<FactState>& before,
                                  const std::vector<FactState>& after) {
  std::vector<MeasuredFact> measured;
  for (std::size_t i = 0; i < facts.size(); ++i) measured.push_back({&facts[i], &before.at(i), &after.at(i)});
  return measured;
}

ResultJson edits_json(const std::vector<MeasuredFact>& facts) {
  ResultJson list = ResultJson::array();
  for (const MeasuredFact& measured : facts) {
    const EditedFact& fact = *measured.fact;
    const bool edited = fact.status == "edited";
    ResultJson entry = {{"id", fact.request.id},
                        {"prompt", fact.request.prompt},
                        {"subject", fact.request.subject},
                        {"target", fact.request.target},
                        {"was", fact.request.was},
                        {"layer", fact.layer},
                        {"steps", fact.steps},
                        {"loss", edited ? ResultJson(fact.loss) : ResultJson(nullptr)},
                        {"update_norm", fact.update_norm},
                        {"relative_norm", fact.relative_norm},
                        {"status", fact.status}};
    if (!fact.reason.empty()) entry["reason"] = fact.reason;
    entry["before"] = prompt_json(measured.before->prompt);
    entry["after"] = prompt_json(measured.after->prompt);
    entry["paraphrases"] = paraphrases_json(measured);
    entry["neighbours"] = neighbours_json(measured);
    list.push_back(std::move(entry));
  }
  return list;
}

ResultJson checks_json(const std::vector<CheckResult>& checks) {
  ResultJson list = ResultJson::array();
  for (const CheckResult& check : checks)
    list.push_back({{"name", check.name},
                    {"value", check.value ? ResultJson(*check.value) : ResultJson(nullptr)},
                    {"threshold", check.threshold},
                    {"passed", check.passed},
                    {"n", check.n},
                    {"status", check.value ? (check.passed ? "passed" : "failed") : "not measured"}});
  return list;
}

ResultJson model_json(const Model& model) {
  const ModelConfig& config = model.config();
  return {{"path", model.path().string()},     {"family", config.family}, {"layers", config.layers},
          {"d_model", config.d_model},         {"d_ff", config.d_ff},     {"vocab", config.vocab},
          {"fingerprint", model.fingerprint()}};
}

ResultJson patch_result_json(const Patch& patch) {
  const Edit& edit = patch.edit;
  const bool measured = patch.before.size() == edit.facts.size() && patch.after.size() == edit.facts.size();
  return {{"emend", patch.emend_version},
          {"base", {{"name", patch.base_name}, {"fingerprint", edit.base_fingerprint}}},
          {"method", edit.method},
          {"objective", edit.objective},
          {"options", edit.options},
          {"edits", measured ? edits_json(pair_up(edit.facts, patch.before, patch.after))
                             : plain_edits_json(edit.facts)},
          {"checks", checks_json(patch.checks)},
          {"warnings", edit.warnings},
          {"passed", patch.passed}};
}

std::string dump_json(const ResultJson& json) {
  return json.dump(2, ' ', false, ResultJson::error_handler_t::replace);
}

}  // namespace emend
