// From responses and residuals to an Edit: the change of a weight, what each fact contributes to it, which
// searches failed, and where the edit came from.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "editors/common/key_groups.h"
#include "editors/common/search_unit.h"
#include "emend/edit.h"
#include "emend/editor.h"
#include "linalg/key_constraints.h"

namespace emend::editors {

// Delta = sum_g r_g a_g^T of one weight in factors: A holds the responses [F], B the residuals [D]. float32.
WeightChange closed_form_change(const WeightRef& weight, const std::vector<at::Tensor>& responses,
                                const std::vector<at::Tensor>& residuals);

// Frobenius norm of a weight of the model.
double weight_norm(const Model& model, const WeightRef& weight);

// What one fact contributes to a weight of norm `norm_of_weight`: residual r [D], response a [F] held to
// `constraint`. The row of A is for the caller to fill in.
FactPart fact_part(const WeightRef& weight, const KeyConstraint& constraint, const at::Tensor& a,
                   const at::Tensor& r, double norm_of_weight);

// The record of a fact whose value was searched: status and reason say whether the search converged.
FactRecord searched_fact(const EditRequest& request, const SearchResult& result, std::vector<FactPart> parts);

// Records in the order of their requests, given the index of each one's request.
std::vector<FactRecord> in_request_order(std::vector<std::pair<std::size_t, FactRecord>> facts);

// Throws Error(kNumeric), naming layer and ids, if the search of a group did not converge; `results` has one
// a group.
void require_converged(const std::vector<KeyGroup>& groups, const std::vector<SearchResult>& results,
                       const std::vector<EditRequest>& requests, int layer);

// What is to be told of a converged search of the edits `ids` that taught the model to end its text, if the
// end stays less probable than was `wanted`; else std::nullopt.
std::optional<std::string> missed_end(const SearchResult& result, double wanted, const std::string& ids);

// Method, objective, options and base of an edit.
void sign(Edit& edit, const Editor& editor, const Model& model);

}  // namespace emend::editors
