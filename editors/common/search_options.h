// The options of a value search under their names, the same in every method that has one, and the rule about
// the search that a given step belongs to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "editors/common/options.h"
#include "editors/common/search_unit.h"
#include "editors/common/target_rows.h"
#include "emend/records.h"

namespace emend::editors {

// How rows share the loss: early_contexts, bare_weight, uniform_rows.
std::vector<OptionBinding> row_options(RowShares& shares);

// How r goes downhill: steps, search, radius, growth, step, absolute_step.
std::vector<OptionBinding> descent_options(SearchOptions& search);

// What is searched for and when the search ends: clamp, kl, decay, stop_probability, stop_loss, keep_best.
// `stop_help` is the help of stop_probability.
std::vector<OptionBinding> loss_options(SearchOptions& search, const std::string& stop_help);

// How the end of the text behind a target is taught, where the edit asks for that: end_weight,
// end_probability.
std::vector<OptionBinding> end_options(SearchOptions& search);

OptionBinding gradient_tokens_option(SearchOptions& search);

// Sets what is given for a method whose table binds the options above to `search`: the preset first, so that
// whatever else is given overrides it. A `step` or `absolute_step` without `search` means Adam, as it did in
// versions that knew no other search.
// Throws Error(kConfig) as apply_options does, and for an option of the other search, which would do nothing:
// `step` or `absolute_step` beside `search: lbfgs`, `radius` or `growth` beside `search: adam`. There only
// the value that the option has anyway is accepted, so that the options which a patch records can be given
// again.
void apply_search_options(const std::string& method, const std::vector<OptionBinding>& table,
                          const std::map<std::string, OptionText>& given, SearchOptions& search);

}  // namespace emend::editors
