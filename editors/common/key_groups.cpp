#include "editors/common/key_groups.h"

#include <ATen/ATen.h>

#include <cmath>
#include <map>

#include "base/strings.h"
#include "emend/error.h"

namespace emend {

namespace {

// The keys of all prompts of all requests at their lookup tokens, request by request: [prompts, F] float64.
at::Tensor lookup_keys(const CallRows& rows, const LayerTrace& trace) {
  std::vector<TraceRow> up_to_lookup;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t p = 0; p < rows[i].prompts.size(); ++p)
      up_to_lookup.push_back(rows.trace_row_to_lookup(i, p));
  return trace.last_keys(up_to_lookup).to(at::kCPU, at::kDouble);
}

// Every element enters the sum, so one look at it sees all.
bool is_finite(const at::Tensor& key) {
  return !key.defined() || std::isfinite(key.sum().item<double>());
}

// What the subject's last token sees of the bare prompt, itself included.
TokenIds seen_by_lookup(const PromptRow& bare) {
  return {bare.ids.begin(), bare.ids.begin() + static_cast<std::ptrdiff_t>(bare.lookup) + 1};
}

}  // namespace

std::string KeyGroup::ids(const std::vector<EditRequest>& all) const {
  std::vector<std::string> names;
  for (std::size_t i : requests) names.push_back(all[i].id);
  return join(names);
}

std::vector<KeyGroup> group_by_key(const CallRows& rows, const LayerTrace& trace, Grouping grouping) {
  const at::Tensor keys = lookup_keys(rows, trace);
  std::vector<KeyGroup> groups;
  std::map<TokenIds, std::size_t> group_of;
  std::int64_t first_key = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto count = static_cast<std::int64_t>(rows[i].prompts.size());
    const auto [known, fresh] = group_of.emplace(seen_by_lookup(rows[i].prompts.front()), groups.size());
    if (grouping == Grouping::kAlone) known->second = groups.size();
    if (fresh || grouping == Grouping::kAlone) {
      KeyGroup group;
      group.bare_key = keys[first_key];
      if (count > 1) group.context_key = keys.narrow(0, first_key + 1, count - 1).mean(0);
      groups.push_back(std::move(group));
    }
    KeyGroup& group = groups[known->second];
    group.requests.push_back(i);
    group.warnings.insert(group.warnings.end(), rows[i].warnings.begin(), rows[i].warnings.end());
    first_key += count;
  }
  return groups;
}

void require_finite_keys(const std::vector<KeyGroup>& groups, const at::Tensor& sink, int layer,
                         const std::vector<EditRequest>& requests) {
  std::vector<std::string> broken;
  for (const KeyGroup& group : groups)
    if (!is_finite(group.bare_key) || !is_finite(group.context_key)) broken.push_back(group.ids(requests));
  if (broken.empty() && is_finite(sink)) return;
  throw Error(ErrorKind::kNumeric,
              (broken.empty() ? "the key of position 0" : "the keys of " + join(broken)) + " at layer " +
                  std::to_string(layer) +
                  " hold NaN or infinity: the model's weights do, or its float type is too small");
}

void require_no_contradiction(const std::vector<KeyGroup>& groups, const CallRows& rows,
                              const std::vector<EditRequest>& requests) {
  for (const KeyGroup& group : groups)
    for (std::size_t i : group.requests)
      for (std::size_t j : group.requests)
        if (i < j && rows[i].prompts.front().ids == rows[j].prompts.front().ids &&
            rows[i].target != rows[j].target)
          throw Error(ErrorKind::kConfig, "edits " + requests[i].id + " and " + requests[j].id +
                                              " contradict each other: the same prompt, targets " +
                                              quote(requests[i].target) + " and " +
                                              quote(requests[j].target));
}

at::Tensor sink_key(const CallRows& rows, const LayerTrace& trace) {
  if (!rows.form().prefix.empty()) return trace.front_keys(0)[0].to(at::kCPU, at::kDouble);
  if (rows.form().form == PromptForm::kChat) {
    const TokenIds first(1, rows[0].prompts.front().ids.front());
    return trace.last_keys({{-1, first}})[0].to(at::kCPU, at::kDouble);
  }
  std::vector<at::Tensor> sinks;
  for (std::size_t c = 0; c < rows.contexts().size(); ++c)
    sinks.push_back(trace.front_keys(static_cast<std::int64_t>(c) + 1)[0]);
  return sinks.empty() ? at::Tensor() : at::stack(sinks).mean(0).to(at::kCPU, at::kDouble);
}

}  // namespace emend
