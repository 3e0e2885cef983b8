#include "editors/common/key_groups.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "emend/error.h"

namespace emend::editors {

namespace {

// Requests whose rows are read together: only their keys are held row by row.
constexpr std::size_t kReadTogether = 256;

// The keys of some requests at one layer.
struct LookupKeys {
  at::Tensor bare, contexts;  // [requests, F] float64 on the CPU; contexts undefined without contexts
};

// Of `counts` prompts a request, whose keys lie one after another in `keys` [prompts, F]. Means are taken
// where the keys lie, so that only they leave the device.
LookupKeys split_keys(const at::Tensor& keys, const std::vector<std::int64_t>& counts) {
  std::vector<at::Tensor> bare, contexts;
  for (const at::Tensor& own : keys.to(at::kDouble).split_with_sizes(counts)) {
    bare.push_back(own[0]);
    if (own.size(0) > 1) contexts.push_back(own.narrow(0, 1, own.size(0) - 1).mean(0));
  }
  return {at::stack(bare).to(at::kCPU),
          contexts.size() == counts.size() ? at::stack(contexts).to(at::kCPU) : at::Tensor()};
}

// Of the requests [begin, end) at their lookup tokens, for each layer.
std::vector<LookupKeys> lookup_keys(const CallRows& rows, const LayerTrace& trace, std::size_t begin,
                                    std::size_t end) {
  std::vector<TraceRow> up_to_lookup;
  std::vector<std::int64_t> counts;
  for (std::size_t i = begin; i < end; ++i) {
    counts.push_back(static_cast<std::int64_t>(rows[i].prompts.size()));
    for (std::size_t p = 0; p < rows[i].prompts.size(); ++p)
      up_to_lookup.push_back(rows.trace_row_to_lookup(i, p));
  }
  std::vector<LookupKeys> keys;
  for (const at::Tensor& of_layer : trace.last_keys(up_to_lookup))
    keys.push_back(split_keys(of_layer, counts));
  return keys;
}

// Of number `place` of the requests that were read together. No views, which would hold the keys of all.
std::vector<SubjectKeys> subject_keys(const std::vector<LookupKeys>& keys, std::size_t place) {
  const auto row = static_cast<std::int64_t>(place);
  std::vector<SubjectKeys> subject;
  for (const LookupKeys& of_layer : keys) {
    subject.push_back({of_layer.bare[row].clone(), {}});
    if (of_layer.contexts.defined()) subject.back().contexts = of_layer.contexts[row].clone();
  }
  return subject;
}

// Every element enters the sum, so one look at it sees all.
bool is_finite(const at::Tensor& key) {
  return !key.defined() || std::isfinite(key.sum().item<double>());
}

// What the subject's last token sees of the bare prompt, itself included.
TokenIds seen_by_lookup(const PromptRow& bare) {
  return {bare.ids.begin(), bare.ids.begin() + static_cast<std::ptrdiff_t>(bare.lookup) + 1};
}

// The mean over the contexts of their keys at position 0, as one row [1, F] for each layer; none without
// contexts.
std::vector<at::Tensor> mean_context_keys(const CallRows& rows, const LayerTrace& trace) {
  std::vector<std::vector<at::Tensor>> first(trace.layers().size());
  for (std::size_t c = 0; c < rows.contexts().size(); ++c) {
    const std::vector<at::Tensor> keys = trace.front_keys(static_cast<std::int64_t>(c) + 1);
    for (std::size_t l = 0; l < keys.size(); ++l) first[l].push_back(keys[l][0]);
  }
  std::vector<at::Tensor> means;
  for (const std::vector<at::Tensor>& keys : first)
    if (!keys.empty()) means.push_back(at::stack(keys).mean(0, /*keepdim=*/true));
  return means;
}

// The first request of the group that another one of the same prompt contradicts, and that other one.
std::optional<std::pair<std::size_t, std::size_t>> first_contradiction(const KeyGroup& group,
                                                                       const CallRows& rows) {
  std::optional<std::pair<std::size_t, std::size_t>> found;
  std::map<TokenIds, std::size_t> first_of_prompt;
  for (const std::size_t j : group.requests) {
    const std::size_t i = first_of_prompt.emplace(rows[j].prompts.front().ids, j).first->second;
    if (rows[i].target != rows[j].target && (!found || i < found->first)) found.emplace(i, j);
  }
  return found;
}

}  // namespace

std::string KeyGroup::ids(const std::vector<EditRequest>& all) const {
  std::vector<std::string> names;
  for (std::size_t i : requests) names.push_back(all[i].id);
  return join(names);
}

std::vector<std::string> others_of(const KeyGroup& group, std::size_t request,
                                   const std::vector<EditRequest>& all) {
  std::vector<std::string> names;
  for (const std::size_t i : group.requests) {
    if (names.size() == kMostOthers) break;
    if (i != request) names.push_back(all[i].id);
  }
  return names;
}

std::vector<KeyGroup> group_requests(const CallRows& rows, const LayerTrace& trace, Grouping grouping) {
  std::vector<LookupKeys> keys;
  std::vector<KeyGroup> groups;
  std::map<TokenIds, std::size_t> group_of;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t place = i % kReadTogether;
    if (place == 0) keys = lookup_keys(rows, trace, i, std::min(i + kReadTogether, rows.size()));
    const auto [known, fresh] = group_of.emplace(seen_by_lookup(rows[i].prompts.front()), groups.size());
    if (grouping == Grouping::kAlone) known->second = groups.size();
    if (fresh || grouping == Grouping::kAlone) groups.push_back({{}, subject_keys(keys, place), {}});
    KeyGroup& group = groups[known->second];
    group.requests.push_back(i);
    group.warnings.insert(group.warnings.end(), rows[i].warnings.begin(), rows[i].warnings.end());
  }
  return groups;
}

std::vector<at::Tensor> sink_keys(const CallRows& rows, const LayerTrace& trace) {
  std::vector<at::Tensor> sinks(trace.layers().size());
  std::vector<at::Tensor> keys;  // position 0 is row 0
  if (!rows.form().prefix.empty())
    keys = trace.front_keys(0);
  else if (rows.form().form == PromptForm::kChat)
    keys = trace.last_keys({{-1, TokenIds(1, rows[0].prompts.front().ids.front())}});
  else
    keys = mean_context_keys(rows, trace);
  for (std::size_t l = 0; l < keys.size(); ++l) sinks[l] = keys[l][0].to(at::kCPU, at::kDouble);
  return sinks;
}

bool has_finite_keys(const KeyGroup& group) {
  return std::ranges::all_of(
      group.keys, [](const SubjectKeys& keys) { return is_finite(keys.bare) && is_finite(keys.contexts); });
}

void require_finite_keys(const std::vector<KeyGroup>& groups, const std::vector<at::Tensor>& sinks,
                         const std::vector<int>& layers, const std::vector<EditRequest>& requests) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    std::vector<std::string> broken;
    for (const KeyGroup& group : groups)
      if (!is_finite(group.keys[l].bare) || !is_finite(group.keys[l].contexts))
        broken.push_back(group.ids(requests));
    if (broken.empty() && (sinks.empty() || is_finite(sinks[l]))) continue;
    throw Error(
        ErrorKind::kNumeric,
        fmt::format("{} at layer {} hold NaN or infinity: the model's weights do, or its float type is too "
                    "small",
                    broken.empty() ? "the key of position 0" : "the keys of " + join(broken), layers[l]));
  }
}

void require_no_contradiction(const std::vector<KeyGroup>& groups, const CallRows& rows,
                              const std::vector<EditRequest>& requests) {
  for (const KeyGroup& group : groups) {
    const auto pair = first_contradiction(group, rows);
    if (!pair) continue;
    const EditRequest &one = requests[pair->first], &other = requests[pair->second];
    throw Error(ErrorKind::kConfig,
                fmt::format("edits {} and {} contradict each other: the same prompt, targets {} and {}",
                            one.id, other.id, quote(one.target), quote(other.target)));
  }
}

}  // namespace emend::editors
