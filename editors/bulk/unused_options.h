// Options of a stage that the other options leave without an effect.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "editors/bulk/options.h"
#include "emend/records.h"

namespace emend::editors {

struct UnusedOption {
  std::string name;
  std::string beside;  // what leaves it without an effect: "filter: none"
  std::string give;    // what would make it count: "filter: norm-anchor"
};

// Those that switch nothing on as they are (such as a `threshold` of 0) are not among them.
std::vector<UnusedOption> unused_options(const BulkOptions& options);

// Throws Error(kConfig) with its place for an option that was given another value than `preset` has and that
// does nothing beside the others. `now` and `preset` are all options as text.
void refuse_unused(const BulkOptions& options, const std::map<std::string, OptionText>& given,
                   const std::map<std::string, std::string>& now,
                   const std::map<std::string, std::string>& preset);

}  // namespace emend::editors
