// Facts that are added in batches until held text has drifted too far.
#pragma once

#include <string>
#include <vector>

#include "emend/edit_run.h"
#include "emend/editor.h"
#include "measure/drift.h"
#include "pipeline/edit_job.h"

namespace emend {

// "1.05", a ratio of perplexities, or "kl:0.02", nats. Throws Error(kUsage).
DriftBudget parse_drift_budget(const std::string& text);

// Throws Error(kConfig) if the method does not carry earlier facts, which every batch but the first needs,
// and Error(kUsage) for a limit or a batch that can be none.
void require_budget(const DriftBudget& budget, const Editor& editor);

// The budget's limit and these drifts in its measure, as people read them beside each other: ratios of
// perplexities near 1 with more digits, and all with as many as tell them apart.
std::vector<std::string> drift_texts(const DriftBudget& budget, const std::vector<double>& drifts);

struct BudgetedEdit {
  Edit edit;  // of what is within the budget; its facts are those of the requests that are in
  BudgetOutcome outcome;
};

// The requests, as many of them as the budget allows, in their order. Each batch is solved together with what
// is there already. When a batch goes over the limit, it is halved until a part of it fits or one fact alone
// is too much; what stands behind is left out. `context` has the statistics; `held` is not empty. The model
// is that of the job, and is as it was afterwards.
BudgetedEdit edit_within(const EditJob& job, Model& model, const std::vector<EditRequest>& requests,
                         const EditorContext& context, const DriftBudget& budget, const TextRows& held,
                         Progress& progress);

}  // namespace emend
