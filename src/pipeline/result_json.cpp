#include "pipeline/result_json.h"

#include "delivery/state_json.h"
#include "emend/version.h"

namespace emend {
namespace {

ResultJson feedback_json(const RoundingReport& report) {
  return {{"keys", report.keys},
          {"share_mean", report.mean_share},
          {"share_worst", report.worst_share},
          {"stray", report.stray},
          {"blocks_changed", report.blocks_changed},
          {"blocks", report.blocks},
          {"statistics", report.with_statistics},
          {"diagonal", report.diagonal}};
}

ResultJson paraphrases_json(const FactRecord& fact) {
  ResultJson list = ResultJson::array();
  const auto& prompts = fact.request.paraphrases;
  for (std::size_t i = 0; i < prompts.size(); ++i)
    list.push_back({{"prompt", prompts[i]},
                    {"before", prompt_json(fact.before->paraphrases[i])},
                    {"after", prompt_json(fact.after->paraphrases[i])}});
  return list;
}

ResultJson neighbours_json(const FactRecord& fact) {
  ResultJson list = ResultJson::array();
  const auto& neighbours = fact.request.neighbours;
  for (std::size_t i = 0; i < neighbours.size(); ++i)
    list.push_back({{"prompt", neighbours[i].prompt},
                    {"answer", fact.before->neighbours[i].answer},
                    {"before", neighbour_json(fact.before->neighbours[i])},
                    {"after", neighbour_json(fact.after->neighbours[i])}});
  return list;
}

ResultJson other_subjects_json(const FactRecord& fact) {
  ResultJson list = ResultJson::array();
  for (std::size_t i = 0; i < fact.request.bleed.size(); ++i)
    list.push_back({{"subject", fact.request.bleed[i].subject},
                    {"answer", fact.before->bleed[i].answer},
                    {"before", other_subject_json(fact.before->bleed[i])},
                    {"after", other_subject_json(fact.after->bleed[i])}});
  return list;
}

// All keys of other subjects that the fact leaves as they are.
ResultJson protected_json(const FactRecord& fact) {
  ResultJson list = ResultJson::array();
  for (const FactPart& part : fact.parts)
    for (const ProtectedKey& key : part.protected_keys)
      list.push_back({{"layer", part.weight.block},
                      {"subject", key.subject},
                      {"cosine", key.cosine},
                      {"response", key.response},
                      {"norm", key.norm}});
  return list;
}

ResultJson edit_json_of(const FactRecord& fact) {
  ResultJson entry = {{"id", fact.request.id},
                      {"prompt", fact.request.prompt},
                      {"subject", fact.request.subject},
                      {"target", fact.request.target},
                      {"was", fact.request.was},
                      {"layer", fact.layer()},
                      {"steps", fact.steps},
                      {"loss", fact.is_edited() ? ResultJson(fact.loss) : ResultJson(nullptr)},
                      {"update_norm", fact.update_norm()},
                      {"relative_norm", fact.relative_norm()},
                      {"status", to_string(fact.status)}};
  if (!fact.reason.empty()) entry["reason"] = fact.reason;
  if (const ResultJson keys = protected_json(fact); !keys.empty()) entry["protected"] = keys;
  if (!fact.before || !fact.after) return entry;
  entry["before"] = prompt_json(fact.before->prompt);
  entry["after"] = prompt_json(fact.after->prompt);
  entry["paraphrases"] = paraphrases_json(fact);
  entry["neighbours"] = neighbours_json(fact);
  if (!fact.request.bleed.empty()) entry["bleed"] = other_subjects_json(fact);
  return entry;
}

}  // namespace

void add_layers(ResultJson& entry, const std::vector<int>& layers) {
  if (layers.size() > 1) entry["layers"] = layers;
}

void add_layers(ResultJson& entry, const FactRecord& fact) {
  std::vector<int> layers;
  for (const FactPart& part : fact.parts) layers.push_back(part.weight.block);
  add_layers(entry, layers);
}

ResultJson edits_json(const std::vector<FactRecord>& facts) {
  ResultJson list = ResultJson::array();
  for (const FactRecord& fact : facts) {
    ResultJson entry = edit_json_of(fact);
    add_layers(entry, fact);
    list.push_back(std::move(entry));
  }
  return list;
}

ResultJson checks_json(const std::vector<CheckResult>& checks) {
  ResultJson list = ResultJson::array();
  for (const CheckResult& check : checks)
    list.push_back({{"name", check.name},
                    {"value", or_null(check.value)},
                    {"threshold", check.threshold},
                    {"passed", check.passed},
                    {"n", check.n},
                    {"status", check.value ? (check.passed ? "passed" : "failed") : "not measured"}});
  return list;
}

ResultJson model_json(const Model& model) {
  ResultJson json = model_json(model.path().string(), model.config(),
                               model.has_fingerprint() ? model.fingerprint() : std::string());
  if (!model.has_fingerprint()) json["fingerprint"] = nullptr;
  return json;
}

ResultJson model_json(const std::string& path, const ModelConfig& config, const std::string& fingerprint) {
  return {{"path", path},
          {"family", config.family},
          {"layers", config.layers},
          {"d_model", config.d_model},
          {"d_ff", config.d_ff},
          {"vocab", config.vocab},
          {"fingerprint", fingerprint}};
}

ResultJson paths_json(const std::vector<std::filesystem::path>& paths) {
  ResultJson list = ResultJson::array();
  for (const std::filesystem::path& path : paths) list.push_back(path.string());
  return list;
}

ResultJson written_tensors_json(const WritePlan& plan) {
  ResultJson list = ResultJson::array();
  for (const PlannedTensor& tensor : plan.tensors) {
    list.push_back({{"name", tensor.name},
                    {"layer", tensor.weight.block},
                    {"was", tensor.old_type},
                    {"is", tensor.new_type},
                    {"share", tensor.share},
                    {"rounding", tensor.error}});
    if (tensor.rounding) list.back()["feedback"] = feedback_json(*tensor.rounding);
  }
  return list;
}

ResultJson realised_json(const WritePlan& plan, std::size_t patch) {
  ResultJson list = ResultJson::array();
  for (const RealisedFact& fact : plan.facts)
    if (fact.patch == patch)
      list.push_back({{"id", fact.id},
                      {"layer", fact.weight.block},
                      {"wanted", fact.wanted},
                      {"arrived", fact.arrived},
                      {"share", fact.share},
                      {"rounding", fact.error},
                      {"value_rounding", fact.value_error}});
  return list;
}

ResultJson revert_json(const std::string& model, const std::filesystem::path& undo,
                       const std::vector<std::filesystem::path>& restored) {
  return {{"emend", emend_version()},
          {"model", model},
          {"undo", undo.string()},
          {"restored", paths_json(restored)},
          {"passed", true}};
}

}  // namespace emend
