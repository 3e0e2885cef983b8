#include "editors/bulk/unused_options.h"

#include <fmt/format.h>

#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

// Which facts are searched again, and how far.
void add_carried(std::vector<UnusedOption>& unused, const BulkOptions& bulk) {
  const auto add = [&](const std::string& beside, const std::string& give) {
    if (bulk.carried_probability > 0) unused.push_back({"carried_probability", beside, give});
    unused.push_back({"carried_clamp", beside, give});
  };
  if (!bulk.carry) {
    unused.push_back({"carried_keys", "carry: false", "carry: true"});
    add("carry: false", "carry: true");
  } else if (bulk.carried_keys == CarriedKeys::kKept) {
    add("carried_keys: kept", "carried_keys: anew");
  } else if (bulk.rounds == 1) {
    add("rounds: 1", "rounds: 2");
  } else if (bulk.carried_probability == 0) {
    add("carried_probability: 0", "carried_probability: 0.9");
  }
}

void add_filter(std::vector<UnusedOption>& unused, const BulkOptions& bulk) {
  static const std::vector<std::string> kBeside = {"filter: none", "filter: norm-anchor", "filter: spectral"};
  const std::string& beside = kBeside.at(static_cast<std::size_t>(bulk.filter));
  if (bulk.filter != FilterStage::kNormAnchor) unused.push_back({"anchor", beside, "filter: norm-anchor"});
  if (bulk.filter == FilterStage::kSpectral) return;
  unused.push_back({"filtered_energy", beside, "filter: spectral"});
  unused.push_back({"filter_strength", beside, "filter: spectral"});
}

void add_solve(std::vector<UnusedOption>& unused, const BulkOptions& bulk) {
  static const std::vector<std::string> kBeside = {"preserve: moments", "preserve: null-space",
                                                   "preserve: identity"};
  const std::string& beside = kBeside.at(static_cast<std::size_t>(bulk.preserve));
  if (bulk.preserve != PreserveStage::kMoments && bulk.relative_ridge > 0)
    unused.push_back({"ridge", beside, "preserve: moments"});
  if (bulk.preserve != PreserveStage::kNullSpace) {
    if (bulk.threshold > 0) unused.push_back({"threshold", beside, "preserve: null-space"});
    unused.push_back({"kept_directions", beside, "preserve: null-space"});
  } else {
    if (bulk.threshold > 0)
      unused.push_back({"kept_directions", fmt::format("threshold: {}", bulk.threshold), "threshold: 0"});
    if (bulk.exact_alone) unused.push_back({"exact_alone", beside, "preserve: moments"});
  }
  if (bulk.lambda > 0)
    unused.push_back({"relative_lambda", fmt::format("lambda: {}", bulk.lambda), "lambda: 0"});
}

}  // namespace

std::vector<UnusedOption> unused_options(const BulkOptions& options) {
  std::vector<UnusedOption> unused;
  add_carried(unused, options);
  add_filter(unused, options);
  add_solve(unused, options);
  if (options.contexts == 0 && options.short_contexts)
    unused.push_back({"short_contexts", "contexts: 0", "contexts: 5"});
  return unused;
}

void refuse_unused(const BulkOptions& options, const std::map<std::string, OptionText>& given,
                   const std::map<std::string, std::string>& now,
                   const std::map<std::string, std::string>& preset) {
  for (const UnusedOption& unused : unused_options(options)) {
    const auto option = given.find(unused.name);
    if (option == given.end() || now.at(unused.name) == preset.at(unused.name)) continue;
    throw Error(ErrorKind::kConfig,
                fmt::format("{}: option {} does nothing beside `{}`; give `{}` too, or leave it out",
                            option->second.where, quote(unused.name), unused.beside, unused.give));
  }
}

}  // namespace emend::editors
