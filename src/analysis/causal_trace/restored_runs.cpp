#include "analysis/causal_trace/restored_runs.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>

#include "model/layers.h"
#include "model/rows.h"

namespace emend::trace {

namespace {

// Rows (one a sample) that stand for one cell, or for several that are still the same.
struct Track {
  std::vector<std::size_t> cells;  // by rising restore_end
  std::size_t next = 0;            // the first that has not parted yet
};

// Putting an output back in the first block of a window changes that block's result at the token alone, so
// the run begins one block above.
int first_block(const Cell& cell) {
  return cell.clean_state || cell.restore_end <= cell.begin ? cell.begin : cell.begin + 1;
}

// A batch of cells of one token, going up block by block.
class Wave {
 public:
  Wave(const Model& model, const TraceRuns& runs, const std::vector<Cell>& cells, const RestoredRuns& how)
      : model_(model),
        runs_(runs),
        cells_(cells),
        how_(how),
        width_(runs.row.size() - how.token),
        cache_(runs.cache_before(how.token)) {}

  // Scores of the cells `order` (by first block to run, then restore_end) into `scores`.
  void run(const std::vector<std::size_t>& order, std::vector<double>& scores) {
    const int layers = model_.config().layers;
    std::size_t at = 0;
    for (int l = first_block(cells_[order.front()]); l < layers; ++l) {
      while (at < order.size() && first_block(cells_[order[at]]) == l) at = join(order, at);
      part(l);
      const at::Tensor logits = step(l);
      if (!logits.defined()) continue;
      keep(logits, scores);
      tracks_.clear();
      x_ = at::Tensor();
    }
    while (at < order.size())
      at = join(order, at);  // cells of the last block: their states are read as they are
    if (!tracks_.empty()) keep(read(), scores);
  }

 private:
  std::int64_t rows() const { return static_cast<std::int64_t>(tracks_.size()) * runs_.samples; }

  // The residual stream [S, W, D] that enters the cell's first block: the corrupted one, but at the token.
  at::Tensor entering(const Cell& cell) {
    const int block = first_block(cell) - 1;
    const at::Tensor& corrupted = block < 0 ? runs_.corrupted_embedding : runs_.block.corrupted[block];
    at::Tensor x = corrupted.narrow(1, how_.token, width_).clone();
    at::Tensor token = x.select(1, 0);
    if (cell.clean_state) {
      token.copy_(
          (block < 0 ? runs_.clean_embedding : runs_.block.clean[block])[how_.token].expand_as(token));
    } else if (cell.restore_end > cell.begin) {
      token.copy_(restored_output(cell.begin));
    }
    return x;
  }

  // The token after `block`, whose output at the site is the clean one: nothing but this token differs from
  // the corrupted run there. [S, D]
  at::Tensor restored_output(int block) {
    const at::Tensor& below = block == 0 ? runs_.corrupted_embedding : runs_.block.corrupted[block - 1];
    const at::Tensor x = below.select(1, how_.token);
    const at::Tensor clean = runs_.at(how_.site).clean[block][how_.token];
    if (how_.site == Site::kMlpOutput) {
      const BlockSpec& spec = model_.config().spec(block);
      const BlockWeights& weights = model_.weights().blocks[static_cast<std::size_t>(block)];
      const at::Tensor& norm =
          weights.mlp_post_norm.defined() ? weights.mlp_post_norm : weights.attention_post_norm;
      const at::Device there = norm.defined() ? norm.device() : x.device();
      const at::Tensor mixed = runs_.attention.corrupted[block].select(1, how_.token);
      return (x + attention_contribution(mixed.to(there), weights, spec).to(x.device())) +
             mlp_contribution(clean.unsqueeze(0).to(there), weights, spec).to(x.device());
    }
    PassInput input = rows_at_cache(1, runs_.samples, block);
    input.hidden = x.contiguous();
    input.stop = PassInput::Stop::kBlock;
    input.interventions.push_back({how_.site, block, Intervention::Kind::kReplace,
                                   at::arange(runs_.samples, at::TensorOptions(x.device()).dtype(at::kLong)),
                                   clean.unsqueeze(0).expand({runs_.samples, clean.size(0)})});
    return model_.forward(input).hidden;
  }

  // A new track for the cells from `at` on that are the same run so far; returns where the next begin.
  std::size_t join(const std::vector<std::size_t>& order, std::size_t at) {
    const Cell& first = cells_[order[at]];
    Track track;
    while (at < order.size() && cells_[order[at]].begin == first.begin &&
           cells_[order[at]].clean_state == first.clean_state &&
           (track.cells.empty() || first.restore_end > first.begin))
      track.cells.push_back(order[at++]);
    const at::Tensor x = entering(first).reshape({-1, model_.config().d_model});
    tracks_.push_back(std::move(track));
    x_ = x_.defined() ? at::cat({x_, x}, 0) : x;
    return at;
  }

  int restore_end(const Track& track) const { return cells_[track.cells[track.next]].restore_end; }

  // `count` groups of rows, one a sample, of `width` tokens each behind the token's place, through one block.
  PassInput rows_at_cache(std::int64_t width, std::int64_t count, int block) {
    PassInput input;
    input.ids.assign(static_cast<std::size_t>(count),
                     TokenIds(static_cast<std::size_t>(width), 0));  // only their number matters
    for (std::int64_t r = 0; r < count; ++r) input.cache_row.push_back(1 + r % runs_.samples);
    input.cache = &cache_;
    input.begin_block = input.stop_block = block;
    return input;
  }

  // One block over all rows; the last one gives the logits at which the answer is read.
  at::Tensor step(int block) {
    PassInput input = rows_at_cache(width_, rows(), block);
    input.hidden = x_;
    const bool last = block + 1 == model_.config().layers;
    if (!last || how_.token + 1 >= runs_.row.prompt) {  // in the last block only tokens that are read count
      restore(block, input);
      if (how_.pinned) pin(block, input);
    }
    if (last) {
      input.logit_tokens = reading_tokens(rows(), width_, runs_.row.answer_tokens());
      return model_.forward(input).logits;
    }
    input.stop = PassInput::Stop::kBlock;
    x_ = model_.forward(input).hidden;
    return {};
  }

  void restore(int block, PassInput& input) const {
    std::vector<std::int64_t> tokens;
    for (std::size_t t = 0; t < tracks_.size(); ++t) {
      if (restore_end(tracks_[t]) <= block) continue;
      for (std::int64_t s = 0; s < runs_.samples; ++s)
        tokens.push_back((static_cast<std::int64_t>(t) * runs_.samples + s) * width_);
    }
    if (tokens.empty()) return;
    const auto count = static_cast<std::int64_t>(tokens.size());
    const at::Tensor clean = runs_.at(how_.site).clean[block][how_.token];
    input.interventions.push_back({how_.site, block, Intervention::Kind::kReplace,
                                   index_tensor(tokens, x_.device()),
                                   clean.unsqueeze(0).expand({count, clean.size(0)})});
  }

  void pin(int block, PassInput& input) const {
    std::vector<std::int64_t> tokens;
    for (std::int64_t r = 0; r < rows(); ++r) tokens.push_back(r * width_);
    const at::Tensor held = runs_.at(*how_.pinned).corrupted[block].select(1, how_.token);  // [S, D]
    input.interventions.push_back({*how_.pinned, block, Intervention::Kind::kReplace,
                                   index_tensor(tokens, x_.device()),
                                   held.repeat({static_cast<std::int64_t>(tracks_.size()), 1})});
  }

  // Cells whose window has ended at `block` leave the run that they shared with longer ones.
  void part(int block) {
    std::vector<at::Tensor> pieces{x_};
    const std::size_t before = tracks_.size();
    const std::int64_t size = runs_.samples * width_;
    for (std::size_t t = 0; t < before; ++t)
      while (tracks_[t].next + 1 < tracks_[t].cells.size() && restore_end(tracks_[t]) <= block) {
        pieces.push_back(x_.narrow(0, static_cast<std::int64_t>(t) * size, size));
        const std::size_t cell = tracks_[t].cells[tracks_[t].next++];
        tracks_.push_back({{cell}, 0});
      }
    if (pieces.size() > 1) x_ = at::cat(pieces, 0);
  }

  at::Tensor read() const {
    const std::int64_t answer = runs_.row.answer_tokens();
    PassInput input;
    input.ids.assign(static_cast<std::size_t>(rows()), TokenIds(static_cast<std::size_t>(answer), 0));
    const at::Tensor read_at = index_tensor(reading_tokens(rows(), width_, answer), x_.device());
    input.hidden = x_.index_select(0, read_at);
    input.begin_block = model_.config().layers;
    input.logit_tokens.resize(static_cast<std::size_t>(rows() * answer));
    std::iota(input.logit_tokens.begin(), input.logit_tokens.end(), 0);
    return model_.forward(input).logits;
  }

  // The mean probability over the samples, for all cells of each track.
  void keep(const at::Tensor& logits, std::vector<double>& scores) const {
    const at::Tensor p = answer_probability(logits, runs_.row.answer).view({-1, runs_.samples}).mean(1).cpu();
    for (std::size_t t = 0; t < tracks_.size(); ++t)
      for (std::size_t i = tracks_[t].next; i < tracks_[t].cells.size(); ++i)
        scores[tracks_[t].cells[i]] = p[static_cast<std::int64_t>(t)].item<double>();
  }

  const Model& model_;
  const TraceRuns& runs_;
  const std::vector<Cell>& cells_;
  const RestoredRuns& how_;
  std::int64_t width_;
  KvCache cache_;  // what stands before the token
  std::vector<Track> tracks_;
  at::Tensor x_;  // [tracks * S * W, D]
};

}  // namespace

std::vector<double> run_cells(const Model& model, const TraceRuns& runs, const std::vector<Cell>& cells,
                              const RestoredRuns& how) {
  const c10::NoGradGuard no_grad;
  std::vector<double> scores(cells.size());
  std::vector<std::size_t> order(cells.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(first_block(cells[a]), cells[a].restore_end) <
           std::pair(first_block(cells[b]), cells[b].restore_end);
  });
  const std::int64_t tokens = runs.samples * (runs.row.size() - how.token);
  const auto at_once = static_cast<std::size_t>(std::max<std::int64_t>(how.token_budget / tokens, 1));
  for (std::size_t begin = 0; begin < order.size(); begin += at_once) {
    const std::size_t end = std::min(begin + at_once, order.size());
    Wave(model, runs, cells, how)
        .run({order.begin() + static_cast<std::ptrdiff_t>(begin),
              order.begin() + static_cast<std::ptrdiff_t>(end)},
             scores);
  }
  return scores;
}

}  // namespace emend::trace
