// A patch's own checks, measured again on a model that is given: the base, or what was written. And how far
// that lies from what a patch stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "emend/checks.h"
#include "emend/fact_state.h"
#include "emend/patch.h"
#include "emend/progress.h"
#include "model/text_nll.h"

namespace emend {

std::vector<EditRequest> requests_of(const Patch& patch);

// The facts of a patch with these states in place of what it stores.
std::vector<FactRecord> with_states(const Patch& patch, const std::vector<FactState>& before,
                                    const std::vector<FactState>& after);

// The states that a patch stores, in the order of its facts; empty when one is missing.
std::vector<FactState> stored_before(const Patch& patch);
std::vector<FactState> stored_after(const Patch& patch);

// Puts what was measured into the facts.
void set_before(Edit& edit, const std::vector<FactState>& states);
void set_after(Edit& edit, const std::vector<FactState>& states);

// The facts of a patch on a model as it is now.
std::vector<FactState> measure_patch(const Model& model, const Patch& patch, std::int64_t token_budget,
                                     Progress& progress);

// Mean nll of the patch's held text. Returns std::nullopt if it has none.
std::optional<double> held_nll(const Model& model, const Patch& patch, std::int64_t token_budget);

// The same before an edit and after it. The blocks below the first edited one run once; what the unedited
// model finds is taken from the statistics folder if it is there, and is kept there.
class HeldText {
 public:
  // `model` has its own weights now, and outlives this. Without held text nothing is measured.
  HeldText(const Model& model, const Patch& patch, std::int64_t token_budget,
           const std::filesystem::path& statistics);

  const std::optional<double>& nll_before() const { return before_; }
  std::optional<double> nll_now() const;  // of the model as it is now

 private:
  std::optional<TextNll> text_;
  std::optional<double> before_;
};

// The four checks on what was measured after, and that of bleed where the facts name other subjects;
// `nll_before` and `nll_after` are those of the held text.
std::vector<CheckResult> checks_of(const Patch& patch, const std::vector<FactState>& before,
                                   const std::vector<FactState>& after,
                                   const std::optional<double>& nll_before,
                                   const std::optional<double>& nll_after);

// Whether an edit passes: no search failed, and all checks that were measured passed. The one rule of `edit`,
// `patch verify`, `patch apply` and the runs that make patches of patches.
bool passes(const Edit& edit, const std::vector<CheckResult>& checks);

// The largest difference of p(target) of the prompts. Returns std::nullopt when nothing is stored.
std::optional<double> largest_difference(const std::vector<FactState>& stored,
                                         const std::vector<FactState>& now);

}  // namespace emend
