// One run, as in the paper: contexts, keys and response (plan.h), the search of the residual (search.h), and
// here the closed form of both together as an Edit.
#include "editors/rome/rome.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "base/strings.h"
#include "editors/rome/options.h"
#include "editors/rome/plan.h"
#include "editors/rome/search.h"
#include "emend/error.h"

namespace emend {

namespace {

std::string loss_text(const SearchResult& result) {
  return result.finite ? "loss " + std::to_string(result.loss) : "the loss is not a number";
}

// Throws for what did not converge, unless the caller goes on without it.
void require_down(const RomePlan& plan, const std::vector<SearchResult>& results) {
  if (plan.context().keep_going) return;
  std::vector<std::string> failed;
  for (std::size_t g = 0; g < results.size(); ++g)
    if (!results[g].came_down)
      failed.push_back(plan.ids(plan.groups()[g]) + " (" + loss_text(results[g]) + ")");
  if (!failed.empty())
    throw Error(ErrorKind::kNumeric, "the value search at layer " + std::to_string(plan.context().layer) +
                                         " did not converge for " + join(failed) +
                                         "; try another layer or more steps, or --keep-going");
}

double weight_norm(const RomePlan& plan) {
  const auto layer = static_cast<std::size_t>(plan.context().layer);
  return plan.model().weights().blocks[layer].mlp_down.to(at::kFloat).norm().item<double>();
}

// What one group's requests contribute, with the response that is written for it.
void add_facts(Edit& edit, const RomePlan& plan, const KeyGroup& group, const SearchResult& result,
               const at::Tensor& a, double norm_of_weight) {
  const KeyConstraint constraint = plan.constraint(group);
  for (std::size_t i : group.requests) {
    EditedFact fact;
    fact.request = plan.requests()[i];
    fact.layer = plan.context().layer;
    fact.status = result.came_down ? "edited" : "failed";
    if (!result.came_down) fact.reason = "the value search did not converge (" + loss_text(result) + ")";
    fact.keys = constraint.K.t().to(at::kFloat).contiguous();
    fact.answers = constraint.y.to(at::kFloat);
    fact.residual = result.r.cpu();
    fact.steps = result.steps;
    fact.loss = result.loss;
    fact.update_norm = fact.residual.norm().item<double>() * a.norm().item<double>();
    fact.relative_norm = fact.update_norm / norm_of_weight;
    edit.facts.push_back(std::move(fact));
  }
}

// Groups gather requests that share a key: back to the order of the file.
void put_in_order(std::vector<EditedFact>& facts, const std::vector<EditRequest>& requests) {
  const auto place = [&](const EditedFact& fact) {
    return std::find_if(requests.begin(), requests.end(),
                        [&](const EditRequest& request) { return request.id == fact.request.id; });
  };
  std::sort(facts.begin(), facts.end(),
            [&](const EditedFact& one, const EditedFact& two) { return place(one) < place(two); });
}

// The closed form of what came down among `groups`, with the facts of all of them.
Edit write_edit(const RomePlan& plan, const RomeSolution& solution, const std::vector<std::size_t>& groups) {
  Edit edit;
  const double norm_of_weight = weight_norm(plan);
  std::vector<at::Tensor> a, r;
  for (std::size_t g : groups) {
    add_facts(edit, plan, plan.groups()[g], solution.results[g], solution.responses[g], norm_of_weight);
    if (!solution.results[g].came_down) continue;
    a.push_back(solution.responses[g]);
    r.push_back(solution.results[g].r.cpu());
  }
  put_in_order(edit.facts, plan.requests());
  if (!a.empty()) edit.changes.push_back(closed_form_change(plan.context().layer, a, r));
  edit.context_ids = plan.rows().contexts();
  return edit;
}

std::vector<at::Tensor> own_responses(const RomePlan& plan) {
  std::vector<at::Tensor> responses;
  for (const KeyGroup& group : plan.groups()) responses.push_back(plan.response(group));
  return responses;
}

Edit edit_together(const RomePlan& plan, Progress& progress) {
  std::vector<std::string> warnings = plan.warnings();
  std::vector<at::Tensor> responses = own_responses(plan);
  for (std::size_t g = 0; g < responses.size(); ++g)
    plan.neighbour_alpha(plan.groups()[g], responses[g], warnings);
  RomeSolution solution = search_alone(plan, std::move(responses), progress);
  require_down(plan, solution.results);
  if (plan.is_joint()) {
    settle_jointly(plan, solution, progress);
    require_down(plan, solution.results);
  }
  std::vector<std::size_t> all;
  for (std::size_t g = 0; g < plan.groups().size(); ++g) all.push_back(g);
  Edit edit = write_edit(plan, solution, all);
  edit.warnings = std::move(warnings);
  return edit;
}

std::vector<Edit> edit_alone(const RomePlan& plan, Progress& progress) {
  const RomeSolution solution = search_alone(plan, own_responses(plan), progress);
  require_down(plan, solution.results);
  std::vector<Edit> edits;
  for (std::size_t g = 0; g < plan.groups().size(); ++g) {
    std::vector<std::string> warnings = plan.groups()[g].warnings;
    plan.neighbour_alpha(plan.groups()[g], solution.responses[g], warnings);
    edits.push_back(write_edit(plan, solution, {g}));
    edits.back().warnings = std::move(warnings);
  }
  return edits;
}

class Rome : public Editor {
 public:
  explicit Rome(const std::map<std::string, OptionText>& given)
      : table_(given), names_and_values_(option_values(table_.bindings())) {}

  std::string name() const override { return "rome"; }
  bool needs_statistics() const override { return table_.value().covariance; }
  std::map<std::string, std::string> options() const override { return names_and_values_; }
  std::string objective() const override { return names_and_values_.at("objective"); }

  EditPlan plan(const Model& model, const std::vector<EditRequest>& requests,
                const EditorContext& context) const override {
    const c10::NoGradGuard no_grad;
    return RomePlan(model, requests, context, table_.value(), Grouping::kShared).summary();
  }

  Edit edit(const Model& model, const std::vector<EditRequest>& requests, const EditorContext& context,
            Progress& progress) const override {
    const RomePlan plan(model, requests, context, table_.value(), Grouping::kShared);
    Edit edit = edit_together(plan, progress);
    sign(edit, model, context);
    return edit;
  }

  std::vector<Edit> edit_each(const Model& model, const std::vector<EditRequest>& requests,
                              const EditorContext& context, Progress& progress) const override {
    const RomePlan plan(model, requests, context, table_.value(), Grouping::kAlone);
    std::vector<Edit> edits = edit_alone(plan, progress);
    for (Edit& edit : edits) sign(edit, model, context);
    return edits;
  }

 private:
  // Where the edit came from.
  void sign(Edit& edit, const Model& model, const EditorContext& context) const {
    edit.method = name();
    edit.objective = objective();
    edit.options = names_and_values_;
    edit.base_fingerprint = model.fingerprint();
    if (table_.value().covariance)
      edit.statistics_fingerprint = context.statistics->fingerprint;
    else
      edit.warnings.push_back(
          "covariance: false: the update's direction is the raw key (C = I); neighbours move more than with "
          "ROME");
  }

  RomeOptionTable table_;
  std::map<std::string, std::string> names_and_values_;
};

}  // namespace

EditorHelp rome_help() {
  RomeOptionTable defaults;
  return {"rome",
          "rank-one update of one feed-forward layer in closed form (Meng et al. 2022), searched on the "
          "written model",
          true, option_help(defaults.bindings())};
}

std::unique_ptr<Editor> make_rome(const std::map<std::string, OptionText>& options) {
  return std::make_unique<Rome>(options);
}

}  // namespace emend
