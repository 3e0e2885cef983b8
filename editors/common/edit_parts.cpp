#include "editors/common/edit_parts.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"
#include "emend/error.h"
#include "linalg/response_solver.h"

namespace emend::editors {

namespace {

std::string loss_text(const SearchResult& result) {
  return result.finite ? fmt::format("loss {:f}", result.loss) : "the loss is not a number";
}

}  // namespace

WeightChange closed_form_change(const WeightRef& weight, const std::vector<at::Tensor>& responses,
                                const std::vector<at::Tensor>& residuals) {
  return WeightChange::low_rank(weight, at::stack(responses, 0).to(at::kFloat).contiguous(),
                                at::stack(residuals, 1).to(at::kFloat).contiguous());
}

double weight_norm(const Model& model, const WeightRef& weight) {
  return model.weight(weight).to(at::kFloat).norm().item<double>();
}

FactPart fact_part(const WeightRef& weight, const KeyConstraint& constraint, const at::Tensor& a,
                   const at::Tensor& r, double norm_of_weight) {
  FactPart part;
  part.weight = weight;
  part.keys = constraint.K.t().to(at::kFloat).contiguous();
  part.answers = constraint.y.to(at::kFloat);
  if (constraint.slack.defined()) part.slack = constraint.slack.to(at::kFloat);
  part.residual = r.cpu();
  part.update_norm = rank_one_norm(part.residual, a);
  part.relative_norm = part.update_norm / norm_of_weight;
  return part;
}

FactRecord searched_fact(const EditRequest& request, const SearchResult& result,
                         std::vector<FactPart> parts) {
  FactRecord fact;
  fact.request = request;
  fact.status = result.converged ? FactStatus::kEdited : FactStatus::kFailed;
  if (!result.converged)
    fact.reason = fmt::format("the value search did not converge ({})", loss_text(result));
  fact.parts = std::move(parts);
  fact.steps = result.steps;
  fact.loss = result.loss;
  return fact;
}

std::vector<FactRecord> in_request_order(std::vector<std::pair<std::size_t, FactRecord>> facts) {
  std::stable_sort(facts.begin(), facts.end(),
                   [](const auto& one, const auto& other) { return one.first < other.first; });
  std::vector<FactRecord> records;
  records.reserve(facts.size());
  for (auto& [request, fact] : facts) records.push_back(std::move(fact));
  return records;
}

void require_converged(const std::vector<KeyGroup>& groups, const std::vector<SearchResult>& results,
                       const std::vector<EditRequest>& requests, int layer) {
  std::vector<std::string> failed;
  for (std::size_t g = 0; g < results.size(); ++g)
    if (!results[g].converged)
      failed.push_back(fmt::format("{} ({})", groups[g].ids(requests), loss_text(results[g])));
  if (!failed.empty())
    throw Error(ErrorKind::kNumeric,
                fmt::format("the value search at layer {} did not converge for {}; try another layer, more "
                            "steps, or the option keep-going",
                            layer, join(failed)));
}

std::optional<std::string> missed_end(const SearchResult& result, double wanted, const std::string& ids) {
  if (!result.converged || result.end_probability >= wanted) return std::nullopt;
  return fmt::format(
      "edit {}: the model does not end its text behind the target (probability {:.2g}, wanted {:.2g}); look "
      "at the "
      "text that follows, or take end: none",
      ids, result.end_probability, wanted);
}

void sign(Edit& edit, const Editor& editor, const Model& model) {
  edit.method = editor.name();
  edit.objective = editor.objective();
  edit.options = editor.options();
  edit.base_fingerprint = model.fingerprint();
}

}  // namespace emend::editors
