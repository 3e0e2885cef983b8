#include "editors/common/search_rows.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/rows.h"

namespace emend::editors {

namespace {

// alpha of every token of a unit's rows [N], given their keys one after another.
at::Tensor unit_alpha(const SearchUnit& unit, const at::Tensor& keys,
                      const std::vector<std::int64_t>& lengths, Objective objective) {
  if (objective == Objective::kWritten) return at::matmul(keys, unit.a);
  std::vector<std::int64_t> lookups;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    lookups.push_back(first + static_cast<std::int64_t>(unit.rows[i].lookup));
    first += lengths[i];
  }
  return at::zeros({keys.size(0)}, keys.options()).index_fill_(0, index_tensor(lookups, keys.device()), 1.0);
}

// What is held for a unit: without its own row.
HeldEdits others_of(const SearchUnit& unit) {
  const HeldEdits& all = unit.held;
  if (!all.a.defined() || unit.own < 0) return all;
  const std::int64_t behind = all.a.size(0) - unit.own - 1;
  if (unit.own == 0 && behind == 0) return {};
  const auto without_own = [&](const at::Tensor& rows) {
    return at::cat({rows.narrow(0, 0, unit.own), rows.narrow(0, unit.own + 1, behind)}, 0);
  };
  return {without_own(all.a), without_own(all.r)};
}

// The length of v0 at the lookup token of each unit's first bare row: [units, 1].
at::Tensor bare_norms(const BlockWeights& block, std::span<const SearchUnit> units,
                      const std::vector<TracedRow>& traced, SearchScale scale) {
  std::vector<at::Tensor> seen;
  std::size_t row = 0;
  for (const SearchUnit& unit : units) {
    const auto bare =
        std::find_if(unit.rows.begin(), unit.rows.end(), [](const SearchRow& r) { return r.bare; });
    const TracedRow& its = traced[row + static_cast<std::size_t>(bare - unit.rows.begin())];
    seen.push_back((scale == SearchScale::kStream ? its.hidden : its.keys)
                       .select(0, static_cast<std::int64_t>(bare->lookup)));
    row += unit.rows.size();
  }
  const at::Tensor bare_rows = at::stack(seen);
  if (scale == SearchScale::kStream) return bare_rows.norm(2, 1, true);
  const at::Tensor weight = block.mlp_down.to(bare_rows.device(), at::kFloat);
  const at::Tensor bias =
      block.mlp_down_bias.defined() ? block.mlp_down_bias.to(bare_rows.device(), at::kFloat) : at::Tensor();
  return at::linear(bare_rows, weight, bias).norm(2, 1, true);
}

// Where each row's tokens begin to move by `reach` of their length, no later than its lookup token. `moved`:
// of all rows, float64 on the CPU.
std::vector<std::int64_t> first_moving(std::vector<ActiveRow>& rows, const at::Tensor& moved, double reach) {
  const double* share = moved.const_data_ptr<double>();
  std::vector<std::int64_t> first;
  for (ActiveRow& row : rows) {
    const std::int64_t length = row.hidden.size(0);
    const double* found = std::find_if(share, share + length, [&](double s) { return s >= reach; });
    const double* lookup = share + static_cast<std::int64_t>(row.source->lookup);
    found = std::min(found, lookup);
    first.push_back(found - share);
    if (found != share) row.overlooked = *std::max_element(share, found);
    share += length;
  }
  return first;
}

// The rows from their first moving tokens on. A small batch on a GPU is bound by the number of kernels, and
// rows of one width need fewest: there every row begins as early as the widest one, and is filled up behind
// its end when it is too short for that. What is added receives nothing of the residual, so the result is the
// same.
void cut_rows(std::vector<ActiveRow>& rows, const std::vector<std::int64_t>& first,
              const at::Device& device) {
  std::int64_t width = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) width = std::max(width, rows[i].hidden.size(0) - first[i]);
  const bool even = device.is_cuda() && width * static_cast<std::int64_t>(rows.size()) <= kFewGpuTokens;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ActiveRow& row = rows[i];
    const std::int64_t length = row.hidden.size(0);
    row.begin = even ? std::clamp<std::int64_t>(length - width, 0, first[i]) : first[i];
    const std::int64_t missing = even ? width - (length - row.begin) : 0;
    for (at::Tensor* stream : {&row.hidden, &row.value}) {
      if (!stream->defined()) continue;
      *stream = stream->slice(0, row.begin);
      if (missing > 0) *stream = at::cat({*stream, stream->slice(0, -1).expand({missing, -1})}, 0);
    }
    row.alpha = at::constant_pad_nd(row.alpha.slice(0, first[i]), {first[i] - row.begin, missing}, 0.0);
  }
}

// The tokens of one unit's rows, one row after another.
struct UnitTokens {
  std::vector<std::int64_t> lengths;  // of each row
  at::Tensor hidden;                  // [N, D] residual stream, held edits added
  at::Tensor value;                   // [N, D] W k + b, held edits added; undefined: ActiveRow::value
  at::Tensor alpha;                   // [N]
  at::Tensor moved;                   // [N] the share of the stream's length that r can move, at most
};

// The stream once `moved` [N, D] is added to the values: after the layer, and where the values do not arrive
// as they are, the values themselves.
void add_to_values(const at::Tensor& moved, const ValuePath& path, UnitTokens& tokens) {
  if (path.is_direct()) {
    tokens.hidden = tokens.hidden + moved;
    return;
  }
  const at::Tensor changed = tokens.value + moved;
  tokens.hidden = tokens.hidden + path.arrived_change(tokens.value, moved);
  tokens.value = changed;
}

// |alpha| clamp ||v0||, as much of it as arrives, against the length of the residual stream decides what r
// can move.
UnitTokens unit_tokens(const SearchUnit& unit, std::span<const TracedRow> traced, const at::Tensor& v0_norm,
                       const ValuePath& path, const SearchOptions& options) {
  UnitTokens tokens;
  std::vector<at::Tensor> row_keys, streams, values;
  for (const TracedRow& row : traced) {
    row_keys.push_back(row.keys);
    streams.push_back(row.hidden);
    if (row.value.defined()) values.push_back(row.value);
    tokens.lengths.push_back(row.keys.size(0));
  }
  const at::Tensor keys = at::cat(row_keys, 0), before = at::cat(streams, 0);
  tokens.alpha = unit_alpha(unit, keys, tokens.lengths, options.objective);
  tokens.hidden = before;
  if (!path.is_direct()) tokens.value = at::cat(values, 0);
  at::Tensor moved = tokens.alpha.abs() * (options.clamp * v0_norm);
  if (const HeldEdits others = others_of(unit); others.a.defined()) {
    const at::Tensor shares = at::matmul(keys, others.a.t());  // [N, n]
    moved = at::maximum(moved, at::matmul(shares.abs(), others.r.norm(2, 1)));
    if (!path.is_direct()) moved = moved * path.gain(tokens.value);
    add_to_values(at::matmul(shares, others.r), path, tokens);
  } else if (!path.is_direct()) {
    moved = moved * path.gain(tokens.value);
  }
  tokens.moved = moved / before.norm(2, 1);
  return tokens;
}

}  // namespace

SearchRows prepare_rows(const Model& model, const LayerTrace& trace, std::span<const SearchUnit> units,
                        const SearchOptions& options) {
  const c10::NoGradGuard no_grad;
  std::vector<TraceRow> trace_rows;
  for (const SearchUnit& unit : units)
    for (const SearchRow& row : unit.rows) trace_rows.push_back(row.row);
  const std::vector<TracedRow> traced = trace.trace(trace_rows);
  SearchRows made;
  made.layer = trace.layer();
  made.v0_norms = bare_norms(model.weights().block(made.layer), units, traced, options.scale);
  std::vector<at::Tensor> hidden, moved;
  for (std::size_t u = 0; u < units.size(); ++u) {
    const SearchUnit& unit = units[u];
    const UnitTokens tokens =
        unit_tokens(unit, std::span(traced).subspan(made.rows.size(), unit.rows.size()),
                    made.v0_norms[static_cast<std::int64_t>(u)], trace.value_path(), options);
    moved.push_back(tokens.moved);
    const auto streams = tokens.hidden.split_with_sizes(tokens.lengths, 0),
               alphas = tokens.alpha.split_with_sizes(tokens.lengths, 0);
    hidden.insert(hidden.end(), streams.begin(), streams.end());
    for (std::size_t i = 0; i < unit.rows.size(); ++i)
      made.rows.push_back({u, &unit.rows[i], 0, streams[i], {}, alphas[i], {}, 0});
    if (trace.value_path().is_direct()) continue;
    const auto values = tokens.value.split_with_sizes(tokens.lengths, 0);
    for (std::size_t i = 0; i < unit.rows.size(); ++i) {
      ActiveRow& row = made.rows[made.rows.size() - unit.rows.size() + i];
      row.value = values[i];
      row.hidden = streams[i] - trace.value_path().arrived(values[i]);
    }
  }
  const at::Tensor shares = at::cat(moved, 0).to(at::kCPU, at::kDouble).contiguous();
  cut_rows(made.rows, first_moving(made.rows, shares, options.reach), model.options().device());
  std::vector<std::int64_t> begins;
  for (const ActiveRow& active : made.rows) begins.push_back(active.begin);
  made.cache = trace.upper_cache(trace_rows, hidden, begins);
  return made;
}

}  // namespace emend::editors
