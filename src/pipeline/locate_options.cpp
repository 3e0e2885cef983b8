#include "pipeline/locate_options.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "emend/dataset.h"
#include "emend/editor.h"
#include "emend/error.h"

namespace emend {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kUsage, message);
}

// Options by name, and whether they are given.
using Given = std::vector<std::pair<const char*, bool>>;

void require_none(const Given& options, const char* rule) {
  for (const auto& [name, given] : options)
    if (given) refuse(fmt::format("{} goes with {} only", name, rule));
}

void require_in_range(const LocateOptions& options) {
  check_trace_values(options.trace);
  for (const auto& [name, value] :
       {std::pair<const char*, std::int64_t>("the option subject-occurrence", options.occurrence),
        {"the option limit", options.limit},
        {"the option trial", options.trial},
        {"the option check", options.check}})
    if (value < 0) refuse(fmt::format("{} must be at least 0, found {}", name, value));
  if (options.shard < 0 || options.shard >= options.shards)
    refuse(fmt::format("there is no shard {} of {} (counted from 0)", options.shard, options.shards));
}

void require_one_source(const LocateOptions& options) {
  const bool prompt = !options.prompt.empty() || !options.subject.empty();
  if (prompt == !options.facts.empty())
    refuse("locate wants either the option prompt P and the option subject S, or the option facts FILE");
  if (!prompt) {
    if (!options.answer.empty() || options.occurrence > 0)
      refuse(
          "the option answer and the option subject-occurrence go with the option prompt; a facts file names "
          "them fact by fact");
    return;
  }
  if (options.prompt.empty()) refuse("locate: the option prompt P is missing");
  if (options.subject.empty()) refuse("locate: the option subject S is missing");
  require_none({{"the option out", !options.out.empty()},
                {"the option shard", options.shards > 1},
                {"the option limit", options.limit > 0},
                {"the option trial", options.trial > 0},
                {"the option keep-decision", options.keep_decision}},
               "the option facts");
}

void check_trial(const LocateOptions& options) {
  if (options.trial == 0)
    require_none({{"the option trial-layers", !options.trial_layers.empty()},
                  {"the option check", options.check > 0},
                  {"the option trial-data", !options.trial_data.empty()},
                  {"the option trial-dataset", !options.trial_dataset.empty()},
                  {"the option method", !options.method.empty()}},
                 "the option trial N");
  if (!options.method.empty()) require_method("the option method", options.method);
  if (!options.trial_dataset.empty()) find_dataset(options.trial_dataset);  // throws for an unknown one
  if (options.keep_decision && options.trial > 0 && options.trial < kLeastTrialFacts)
    refuse(fmt::format(
        "the option keep-decision wants a trial over at least {} facts, found the option trial {}",
        kLeastTrialFacts, options.trial));
  if (options.trial > 0 && options.shards > 1)
    refuse("the option trial does not go with the option shard: run it once all parts are done");
}

}  // namespace

void check_locate_options(const LocateOptions& options) {
  require_in_range(options);
  require_one_source(options);
  check_trial(options);
  if (options.resume && options.out.empty())
    refuse("the option resume wants the option out DIR, the folder to go on with");
  if (options.shards > 1 && options.out.empty())
    refuse("the option shard wants the option out DIR, a folder that all parts share");
}

}  // namespace emend
