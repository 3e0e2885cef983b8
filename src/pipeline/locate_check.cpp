#include "pipeline/locate_check.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "emend/editor.h"
#include "emend/error.h"

namespace emend {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorKind::kUsage, message);
}

void require_one_source(const LocateOptions& options) {
  const bool prompt = !options.prompt.empty() || !options.subject.empty();
  if (prompt == !options.facts.empty())
    refuse("either a prompt with its subject or a file of facts must be given");
  if (!prompt) {
    if (!options.answer.empty() || options.occurrence != 0)
      refuse("answer and occurrence go with a prompt; a file of facts names them fact by fact");
    return;
  }
  if (options.prompt.empty()) refuse("a subject is given, but no prompt");
  if (options.subject.empty()) refuse("a prompt is given, but no subject");
  if (!options.out.empty() || options.limit != 0 || options.trial != 0 || options.shards > 1)
    refuse("out, limit, trial and shards go with a file of facts only");
}

void require_range(const LocateOptions& options) {
  for (const auto& [name, value] : {std::pair<const char*, std::int64_t>("occurrence", options.occurrence),
                                    {"limit", options.limit},
                                    {"trial", options.trial},
                                    {"check", options.check}})
    if (value < 0) refuse(fmt::format("{} must be at least 0, found {}", name, value));
}

void require_trial_for_its_options(const LocateOptions& options) {
  if (options.trial > 0) return;
  if (options.check != 0 || !options.trial_layers.empty() || !options.trial_data.empty() ||
      !options.trial_dataset.empty())
    refuse("check, trial layers, trial data and trial dataset go with a trial only");
}

}  // namespace

void check_locate_options(const LocateOptions& options, const ModelConfig& config) {
  require_one_source(options);
  require_range(options);
  require_trial_for_its_options(options);
  if (options.resume && options.out.empty()) refuse("resume needs out, the folder to go on with");
  require_method("method", options.method);
  if (!options.trial_dataset.empty()) find_dataset(options.trial_dataset);  // throws for an unknown one
  check_trace_options(options.trace, config);
}

}  // namespace emend
