#include "editors/bulk/values.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "base/search_stage.h"
#include "editors/common/value_search.h"
#include "model/batches.h"
#include "model/rows.h"
#include "model/value_path.h"

namespace emend::editors {

namespace {

// The rows of a group's requests, and one drift row for their one subject. An injected search reads no keys:
// its response only has to have their size.
SearchUnit make_unit(const CallRows& rows, const KeyGroup& group, const BulkOptions& options, bool ends,
                     const at::Tensor& no_response) {
  SearchUnit unit;
  unit.a = no_response;
  const double share = 1.0 / static_cast<double>(group.requests.size());
  for (const std::size_t i : group.requests) add_target_rows(unit, rows, i, share, options.shares, ends);
  if (options.search.kl_factor > 0) unit.rows.push_back(drift_row(rows, group.requests.front()));
  return unit;
}

// The bare prompt up to its lookup token. Where that is the sink, the first context row stands for it.
TokenIds row_to_lookup(const CallRows& rows, std::size_t request) {
  const std::size_t prompt = rows.lies_at_sink(request) ? 1 : 0;
  const PromptRow& row = rows[request].prompts[prompt];
  return {row.ids.begin(), row.ids.begin() + static_cast<std::ptrdiff_t>(row.lookup) + 1};
}

}  // namespace

std::vector<int> written_layers(const EditorContext& context, const BulkOptions& options) {
  if (options.values == ValueStage::kLast) return {context.layers.back()};
  return context.layers;
}

int searched_layer(const std::vector<int>& layers, ValueStage values) {
  return values == ValueStage::kReplay ? layers.front() : layers.back();
}

std::vector<SearchResult> search_values_of(const Model& model, const LayerTrace& trace, const CallRows& rows,
                                           const std::vector<KeyGroup>& groups, const BulkOptions& options,
                                           const EditorContext& context, Progress& progress) {
  const at::Tensor no_response = at::zeros({model.config().d_ff}, model.options().dtype(at::kFloat));
  SearchOptions search = options.search;
  if (search.end_weight > 0) search.ends = context.ends;
  std::vector<SearchUnit> units;
  for (const KeyGroup& group : groups)
    units.push_back(make_unit(rows, group, options, !search.ends.empty(), no_response));
  begin_search(progress,
               fmt::format("searching {} {}", groups.size(), groups.size() == 1 ? "value" : "values"),
               static_cast<std::int64_t>(groups.size()) * steps_at_most(options.search), "steps");
  if (context.search_tokens > 0) search.gradient_tokens = static_cast<int>(context.search_tokens);
  std::vector<SearchResult> results =
      search_values(model, trace, units, search, progress, context.journal, context.group);
  progress.end();
  return results;
}

std::vector<at::Tensor> seen_at_lookup(const Model& model, const CallRows& rows,
                                       const std::vector<KeyGroup>& groups, const std::vector<int>& layers,
                                       std::int64_t token_budget, const at::Tensor& added) {
  const c10::NoGradGuard no_grad;
  std::vector<TokenIds> ids;
  for (const KeyGroup& group : groups) ids.push_back(row_to_lookup(rows, group.requests.front()));
  std::vector<std::vector<at::Tensor>> portions(layers.size());
  for (const RowRange range : split_by_tokens(ids, token_budget)) {
    PassInput input;
    input.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(range.begin),
                     ids.begin() + static_cast<std::ptrdiff_t>(range.end));
    const at::Tensor last = index_tensor(last_tokens(input.ids), model.options().device());
    input.stop = PassInput::Stop::kBlock;
    input.stop_block = layers.back();
    if (added.defined()) {
      const auto begin = static_cast<std::int64_t>(range.begin), end = static_cast<std::int64_t>(range.end);
      input.interventions = {{Site::kBlockOutput, layers.front(), Intervention::Kind::kAdd, last,
                              added.slice(0, begin, end).to(model.options())}};
    }
    for (const int layer : layers) {
      const bool direct = ValuePath(model, layer).is_direct();
      input.recordings.push_back({direct ? Site::kBlockOutput : Site::kMlpOutput, layer, last});
    }
    const PassOutput output = model.forward(input);
    for (std::size_t l = 0; l < layers.size(); ++l)
      portions[l].push_back(output.recorded[l].to(at::kCPU, at::kFloat));
  }
  std::vector<at::Tensor> seen;
  for (const std::vector<at::Tensor>& portion : portions) seen.push_back(at::cat(portion, 0));
  return seen;
}

}  // namespace emend::editors
