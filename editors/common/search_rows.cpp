#include "editors/common/search_rows.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "model/rows.h"

namespace emend {

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

// Values W k + b at the lookup token of each unit's first bare row, their lengths: [units, 1].
at::Tensor bare_value_norms(const BlockWeights& block, std::span<const SearchUnit> units,
                            const std::vector<TracedRow>& traced) {
  std::vector<at::Tensor> keys;
  std::size_t row = 0;
  for (const SearchUnit& unit : units) {
    const auto bare =
        std::find_if(unit.rows.begin(), unit.rows.end(), [](const SearchRow& r) { return r.bare; });
    keys.push_back(traced[row + static_cast<std::size_t>(bare - unit.rows.begin())].keys.select(
        0, static_cast<std::int64_t>(bare->lookup)));
    row += unit.rows.size();
  }
  const at::Tensor bare_keys = at::stack(keys), weight = block.mlp_down.to(bare_keys.device(), at::kFloat);
  const at::Tensor bias = block.mlp_down_bias.defined() ? block.mlp_down_bias.to(bare_keys.device(), at::kFloat) : at::Tensor();
  return at::linear(bare_keys, weight, bias).norm(2, 1, true);
}

// Where each row's tokens begin to move, no later than its lookup token.
std::vector<std::int64_t> first_moving(const std::vector<ActiveRow>& rows, const at::Tensor& reached) {
  const bool* is_reached = reached.const_data_ptr<bool>();
  std::vector<std::int64_t> first;
  for (const ActiveRow& row : rows) {
    const std::int64_t length = row.hidden.size(0);
    const auto found =
        static_cast<std::int64_t>(std::find(is_reached, is_reached + length, true) - is_reached);
    first.push_back(std::min(found, static_cast<std::int64_t>(row.source->lookup)));
    is_reached += length;
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
    row.hidden = row.hidden.slice(0, row.begin);
    if (missing > 0) row.hidden = at::cat({row.hidden, row.hidden.slice(0, -1).expand({missing, -1})}, 0);
    row.alpha = at::constant_pad_nd(row.alpha.slice(0, first[i]), {first[i] - row.begin, missing}, 0.0);
  }
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
  made.v0_norms =
      bare_value_norms(model.weights().blocks[static_cast<std::size_t>(trace.layer())], units, traced);

  // Which tokens r can move: |alpha| clamp ||v0|| against the length of the residual stream there.
  std::vector<at::Tensor> hidden, reached;
  std::size_t row = 0;
  for (std::size_t u = 0; u < units.size(); ++u) {
    const SearchUnit& unit = units[u];
    std::vector<at::Tensor> keys, streams;
    std::vector<std::int64_t> lengths;
    for (std::size_t i = 0; i < unit.rows.size(); ++i) {
      keys.push_back(traced[row + i].keys);
      streams.push_back(traced[row + i].hidden);
      lengths.push_back(keys.back().size(0));
    }
    const at::Tensor all_keys = at::cat(keys, 0), before = at::cat(streams, 0);
    const at::Tensor alpha = unit_alpha(unit, all_keys, lengths, options.objective);
    at::Tensor moved = alpha.abs() * (options.clamp * made.v0_norms[static_cast<std::int64_t>(u)]),
               h = before;
    if (unit.others_a.defined()) {
      const at::Tensor others = at::matmul(all_keys, unit.others_a.t());  // [N, n]
      moved = at::maximum(moved, at::matmul(others.abs(), unit.others_r.norm(2, 1)));
      h = h + at::matmul(others, unit.others_r);
    }
    reached.push_back(moved / before.norm(2, 1) >= options.reach);
    const auto hidden_rows = h.split_with_sizes(lengths, 0), alpha_rows = alpha.split_with_sizes(lengths, 0);
    for (std::size_t i = 0; i < unit.rows.size(); ++i)
      made.rows.push_back({u, &unit.rows[i], 0, hidden_rows[i], alpha_rows[i], {}});
    hidden.insert(hidden.end(), hidden_rows.begin(), hidden_rows.end());
    row += unit.rows.size();
  }

  cut_rows(made.rows, first_moving(made.rows, at::cat(reached, 0).cpu()), model.options().device());
  std::vector<std::int64_t> begins;
  for (const ActiveRow& active : made.rows) begins.push_back(active.begin);
  made.cache = trace.upper_cache(trace_rows, hidden, begins);
  return made;
}

}  // namespace emend
