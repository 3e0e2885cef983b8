// Which requests of an edit are left alone, and its facts in the order of the requests again.
#pragma once

#include <string>
#include <vector>

#include "emend/checks.h"
#include "emend/edit.h"
#include "emend/fact_state.h"
#include "emend/model.h"
#include "emend/progress.h"
#include "emend/records.h"

namespace emend {

// What the unedited model says to the requests.
struct MeasuredBase {
  std::vector<EditRequest> requests;  // with their present answers
  std::vector<bool> skipped;          // their target is the answer already
  std::vector<FactState> before;
  double seconds = 0;  // that the measurement took
};

MeasuredBase measure_base(const Model& model, const std::vector<EditRequest>& requests,
                          const CheckOptions& options, Progress& progress);

// The requests whose target is the answer already with the changes of `below` on the model. One that replaces
// a fact of `below` is edited all the same: that fact must not stay. Returns what the model says then.
std::vector<FactState> skip_what_is_true(Model& model, const Edit& below,
                                         const std::vector<EditRequest>& requests, std::vector<bool>& skipped,
                                         const CheckOptions& options, Progress& progress);

std::vector<EditRequest> without(const std::vector<EditRequest>& requests, const std::vector<bool>& skipped);

// Takes these requests out, which were not made.
void leave_out(const std::vector<std::string>& ids, std::vector<EditRequest>& requests,
               std::vector<bool>& skipped, std::vector<FactState>& before);

// The facts of all requests: those that were edited, in their order, and among them those that were skipped,
// with where they would have been written.
void fill_in_skipped(Edit& edit, const std::vector<EditRequest>& requests, const std::vector<bool>& skipped,
                     const std::vector<int>& layers);

// Takes out the requests that were skipped because they are among the carried facts.
void leave_out_carried(const std::vector<FactRecord>& carried, std::vector<EditRequest>& requests,
                       std::vector<bool>& skipped, std::vector<FactState>& before);

// The facts that were carried from the patch below, in front of the new ones, with what is known of them.
void put_carried_first(Edit& edit, const Model& model, std::vector<EditRequest>& requests,
                       std::vector<bool>& skipped, std::vector<FactState>& before,
                       const CheckOptions& options, Progress& progress);

}  // namespace emend
