#include "memories/vocab_reducer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <vector>

#include "emend/error.h"
#include "memories/best_entries.h"
#include "memories/logit_sweep.h"

namespace emend {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What is known of a row behind a part of the vocabulary.
struct RowPart {
  float high = -kInfinity, low = kInfinity;
  ExponentialSums sums;                  // shifted by `high` and `low`
  std::vector<ScoredToken> top, bottom;  // of `bottom` the negative logits
  std::vector<std::int64_t> above,
      below;  // by target: tokens that come before it, from the top and the bottom
};

// sum e^(z - from) and sum (z - from) e^(z - from), shifted to `to` >= from.
void shift(double& sum, double& weighted, double from, double to) {
  if (from == to || sum == 0) return;
  const double step = from - to, factor = std::exp(step);
  weighted = factor * (weighted + step * sum);
  sum *= factor;
}

// A row's sums behind more of the vocabulary, whose extremes are `high` and `low`.
void move_extremes(RowPart& row, float high, float low) {
  const float highest = std::max(row.high, high), lowest = std::min(row.low, low);
  shift(row.sums.sum, row.sums.weighted, row.high, highest);
  shift(row.sums.low_sum, row.sums.low_weighted, -static_cast<double>(row.low), -static_cast<double>(lowest));
  row.high = highest;
  row.low = lowest;
}

void add(ExponentialSums& all, const ExponentialSums& more) {
  all.sum += more.sum;
  all.weighted += more.weighted;
  all.low_sum += more.low_sum;
  all.low_weighted += more.low_weighted;
}

// How the work is cut: into tiles of rows, and where these are few into parts of the vocabulary. Nothing here
// depends on the number of threads.
struct Cut {
  Cut(std::int64_t rows, std::int64_t vocabulary, const VocabularyTask& task) {
    constexpr std::int64_t kPieces = 8, kLeastPart = 4096;
    row_tiles = (rows + task.row_tile - 1) / task.row_tile;
    const std::int64_t wanted = std::max<std::int64_t>(kPieces / std::max<std::int64_t>(row_tiles, 1), 1);
    parts = std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(vocabulary / kLeastPart, 1));
    part_size = (vocabulary + parts - 1) / parts;
  }
  std::int64_t row_tiles = 0, parts = 1, part_size = 0;
};

// What a piece of the work needs for itself.
struct Scratch {
  Scratch(std::int64_t rows, std::int64_t keep, std::int64_t tokens)
      : top(static_cast<std::size_t>(rows), BestEntries(static_cast<std::size_t>(keep))),
        bottom(top),
        found(static_cast<std::size_t>(tokens)) {}
  std::vector<BestEntries> top, bottom;
  std::vector<std::int32_t> found;
};

class Reducer {
 public:
  explicit Reducer(const VocabularyTask& task)
      : task_(task),
        kernels_(sweep_kernels()),
        rows_(task.rows.size(0)),
        vocabulary_(task.table.size(0)),
        cut_(rows_, vocabulary_, task),
        parts_(static_cast<std::size_t>(rows_ * cut_.parts)) {}

  VocabularyResult run() {
    score_targets();
    std::atomic<std::int64_t> done = 0;
    at::parallel_for(0, cut_.row_tiles * cut_.parts, 1, [&](std::int64_t begin, std::int64_t end) {
      const c10::NoGradGuard no_gradients;
      at::Tensor buffer = at::empty({task_.row_tile, task_.token_tile}, at::kFloat);
      for (std::int64_t piece = begin; piece < end; ++piece) {
        reduce_piece(piece / cut_.parts, piece % cut_.parts, buffer);
        done += row_count(piece / cut_.parts);
        if (task_.on_rows && at::get_thread_num() == 0) task_.on_rows(done / cut_.parts);
      }
    });
    return collected();
  }

 private:
  std::int64_t targets() const { return task_.targets.defined() ? task_.targets.size(1) : 0; }
  std::int64_t row_count(std::int64_t tile) const {
    return std::min(task_.row_tile, rows_ - tile * task_.row_tile);
  }
  RowPart& part_of(std::int64_t row, std::int64_t part) {
    return parts_[static_cast<std::size_t>(row * cut_.parts + part)];
  }

  at::Tensor capped(at::Tensor logits) const {
    if (task_.soft_cap > 0) logits.div_(task_.soft_cap).tanh_().mul_(task_.soft_cap);
    return logits;
  }

  // The targets' own logits, as products of the same kind as those of the sweep, so that equal ones compare
  // equal.
  void score_targets() {
    target_logits_ = at::full({rows_, targets()}, std::numeric_limits<float>::quiet_NaN(), at::kFloat);
    const c10::NoGradGuard no_gradients;
    for (std::int64_t first = 0; first < rows_ && targets() > 0; first += task_.row_tile) {
      const std::int64_t count = std::min(task_.row_tile, rows_ - first);
      const at::Tensor rows = task_.rows.narrow(0, first, count);
      for (std::int64_t t = 0; t < targets(); ++t) {
        const at::Tensor ids = task_.targets.narrow(0, first, count).select(1, t);
        const at::Tensor known = ids.clamp_min(0);
        at::Tensor logits = at::mm(rows, task_.table.index_select(0, known).t()).diagonal().clone();
        if (task_.offset.defined()) logits.add_(task_.offset.index_select(0, known));
        logits = capped(logits).masked_fill(ids < 0, std::numeric_limits<float>::quiet_NaN());
        target_logits_.narrow(0, first, count).select(1, t).copy_(logits);
      }
    }
  }

  void reduce_piece(std::int64_t tile, std::int64_t part, at::Tensor& buffer) {
    const std::int64_t first_row = tile * task_.row_tile, count = row_count(tile);
    const std::int64_t begin = part * cut_.part_size, end = std::min(begin + cut_.part_size, vocabulary_);
    Scratch scratch(count, task_.keep, task_.token_tile);
    for (std::int64_t r = 0; r < count; ++r) {
      RowPart& row = part_of(first_row + r, part);
      row.above.assign(static_cast<std::size_t>(targets()), 0);
      row.below = row.above;
    }
    const at::Tensor rows = task_.rows.narrow(0, first_row, count);
    for (std::int64_t token = begin; token < end; token += task_.token_tile) {
      const std::int64_t width = std::min(task_.token_tile, end - token);
      at::Tensor product = buffer.flatten().narrow(0, 0, count * width).view({count, width});
      at::mm_out(product, rows, task_.table.narrow(0, token, width).t());
      if (task_.offset.defined()) product.add_(task_.offset.narrow(0, token, width));
      capped(product);
      const float* logits = product.const_data_ptr<float>();
      for (std::int64_t r = 0; r < count; ++r, logits += width) {
        const std::int64_t row = first_row + r;
        sweep(logits, width, token, row, part_of(row, part), scratch, static_cast<std::size_t>(r));
      }
    }
    for (std::int64_t r = 0; r < count; ++r) {
      RowPart& row = part_of(first_row + r, part);
      row.top = scratch.top[static_cast<std::size_t>(r)].take();
      row.bottom = scratch.bottom[static_cast<std::size_t>(r)].take();
    }
  }

  // One row's logits of tokens [first, first + width).
  void sweep(const float* logits, std::int64_t width, std::int64_t first, std::int64_t row_index,
             RowPart& row, Scratch& scratch, std::size_t r) const {
    float high = 0, low = 0;
    kernels_.extremes(logits, width, high, low);
    move_extremes(row, high, low);
    add(row.sums, kernels_.sums(logits, width, row.high, row.low));
    if (high > scratch.top[r].threshold() || -low > scratch.bottom[r].threshold())
      offer(logits, width, first, scratch, r);
    count_before_targets(logits, width, first, row_index, row);
  }

  void offer(const float* logits, std::int64_t width, std::int64_t first, Scratch& scratch,
             std::size_t r) const {
    std::vector<std::int32_t>& found = scratch.found;
    BestEntries& top = scratch.top[r];
    BestEntries& bottom = scratch.bottom[r];
    const std::int64_t count =
        kernels_.collect(logits, width, top.threshold(), -bottom.threshold(), found.data());
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int32_t j = found[static_cast<std::size_t>(i)];
      const auto id = static_cast<std::int32_t>(first + j);
      top.offer(logits[j], id);
      bottom.offer(-logits[j], id);
    }
  }

  // Tokens in front of the target's id come before it also with a logit equal to its own; the target itself
  // does not count.
  void count_before_targets(const float* logits, std::int64_t width, std::int64_t first,
                            std::int64_t row_index, RowPart& row) const {
    if (targets() == 0) return;
    const std::int64_t* const ids = task_.targets.const_data_ptr<std::int64_t>() + row_index * targets();
    const float* const own = target_logits_.const_data_ptr<float>() + row_index * targets();
    for (std::int64_t t = 0; t < targets(); ++t) {
      if (ids[t] < 0) continue;
      const float below_own = std::nextafter(own[t], -kInfinity);
      const std::int64_t front = std::clamp<std::int64_t>(ids[t] - first, 0, width);
      const std::int64_t behind = std::clamp<std::int64_t>(ids[t] + 1 - first, 0, width);
      const auto at = static_cast<std::size_t>(t);
      const float* const rest = logits + behind;
      row.above[at] +=
          kernels_.count_above(logits, front, below_own) + kernels_.count_above(rest, width - behind, own[t]);
      row.below[at] += front - kernels_.count_above(logits, front, own[t]) + (width - behind) -
                       kernels_.count_above(rest, width - behind, below_own);
    }
  }

  // The parts of a row as one.
  RowPart merged(std::int64_t row) {
    RowPart all = std::move(part_of(row, 0));
    for (std::int64_t p = 1; p < cut_.parts; ++p) {
      RowPart& part = part_of(row, p);
      move_extremes(all, part.high, part.low);
      move_extremes(part, all.high, all.low);
      add(all.sums, part.sums);
      all.top.insert(all.top.end(), part.top.begin(), part.top.end());
      all.bottom.insert(all.bottom.end(), part.bottom.begin(), part.bottom.end());
      for (std::size_t t = 0; t < all.above.size(); ++t) {
        all.above[t] += part.above[t];
        all.below[t] += part.below[t];
      }
    }
    if (cut_.parts > 1) {
      std::sort(all.top.begin(), all.top.end(), comes_before);
      std::sort(all.bottom.begin(), all.bottom.end(), comes_before);
    }
    return all;
  }

  VocabularyResult empty_result() const {
    const auto table = [&](std::int64_t columns, at::ScalarType type) {
      return at::empty({rows_, columns}, type);
    };
    const auto numbers = [&] { return at::empty({rows_}, at::kDouble); };
    return {table(task_.keep, at::kLong),
            table(task_.keep, at::kFloat),
            table(task_.keep, at::kLong),
            table(task_.keep, at::kFloat),
            numbers(),
            numbers(),
            numbers(),
            numbers(),
            target_logits_,
            table(targets(), at::kLong),
            table(targets(), at::kLong)};
  }

  VocabularyResult collected() {
    VocabularyResult result = empty_result();
    for (std::int64_t r = 0; r < rows_; ++r) {
      const RowPart row = merged(r);
      if (static_cast<std::int64_t>(std::min(row.top.size(), row.bottom.size())) <
          task_.keep)  // NaN is no entry
        throw Error(
            ErrorKind::kNumeric,
            fmt::format("vector {} of {} has logits that are NaN: the values, the lens or the head hold "
                        "numbers that are not finite",
                        r, rows_));
      for (std::int64_t k = 0; k < task_.keep; ++k) {
        const ScoredToken& top = row.top[static_cast<std::size_t>(k)];
        const ScoredToken& bottom = row.bottom[static_cast<std::size_t>(k)];
        const std::int64_t at = r * task_.keep + k;
        result.top_ids.data_ptr<std::int64_t>()[at] = top.id;
        result.top_logits.data_ptr<float>()[at] = top.score;
        result.bottom_ids.data_ptr<std::int64_t>()[at] = bottom.id;
        result.bottom_logits.data_ptr<float>()[at] = -bottom.score;
      }
      const ExponentialSums& sums = row.sums;
      result.log_sum.data_ptr<double>()[r] = row.high + std::log(sums.sum);
      result.low_log_sum.data_ptr<double>()[r] = -row.low + std::log(sums.low_sum);
      result.entropy.data_ptr<double>()[r] = std::log(sums.sum) - sums.weighted / sums.sum;
      result.low_entropy.data_ptr<double>()[r] = std::log(sums.low_sum) - sums.low_weighted / sums.low_sum;
      for (std::int64_t t = 0; t < targets(); ++t) {
        const std::int64_t at = r * targets() + t;
        const bool known = task_.targets.const_data_ptr<std::int64_t>()[at] >= 0;
        const auto target = static_cast<std::size_t>(t);
        result.target_ranks.data_ptr<std::int64_t>()[at] = known ? row.above[target] : -1;
        result.target_low_ranks.data_ptr<std::int64_t>()[at] = known ? row.below[target] : -1;
      }
    }
    return result;
  }

  VocabularyTask task_;
  const SweepKernels& kernels_;
  std::int64_t rows_, vocabulary_;
  Cut cut_;
  std::vector<RowPart> parts_;
  at::Tensor target_logits_;
};

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(fmt::format("reduce_vocabulary: {}", what));
}

bool is_plain(const at::Tensor& tensor, at::ScalarType type, std::int64_t dimensions) {
  return tensor.defined() && tensor.is_cpu() && tensor.scalar_type() == type && tensor.dim() == dimensions &&
         tensor.is_contiguous();
}

void check(const VocabularyTask& task) {
  require(is_plain(task.rows, at::kFloat, 2), "rows must be [M, D] float32");
  require(is_plain(task.table, at::kFloat, 2), "the table must be [V, D] float32");
  require(task.rows.size(1) == task.table.size(1), "rows and table must be of one width");
  require(!task.offset.defined() ||
              (is_plain(task.offset, at::kFloat, 1) && task.offset.size(0) == task.table.size(0)),
          "the offset must be [V] float32");
  require(!task.targets.defined() ||
              (is_plain(task.targets, at::kLong, 2) && task.targets.size(0) == task.rows.size(0) &&
               (task.targets.numel() == 0 || task.targets.max().item<std::int64_t>() < task.table.size(0))),
          "targets must be [M, T] int64 below V");
  require(task.keep >= 1 && task.keep <= task.table.size(0), "keep must be 1 to V");
  require(task.row_tile >= 1 && task.token_tile >= 1, "tiles must be at least 1");
  require(task.table.size(0) <= std::numeric_limits<std::int32_t>::max(), "too many tokens");
}

}  // namespace

VocabularyResult reduce_vocabulary(const VocabularyTask& task) {
  check(task);
  return Reducer(task).run();
}

}  // namespace emend
