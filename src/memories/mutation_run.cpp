// measure_mutations: prefixes with a unit taken away, through the model, and what becomes of coefficients.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>

#include "base/random.h"
#include "base/stage_clock.h"
#include "base/strings.h"
#include "emend/error.h"
#include "emend/memory_index.h"
#include "emend/memory_patterns.h"
#include "memories/mutation_prefix.h"
#include "memories/trigger_rows.h"
#include "model/batches.h"
#include "model/rows.h"

namespace emend {
namespace {

using Row = std::vector<std::int64_t>;

constexpr std::uint64_t kMutationStream = 0x6d757461;
constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kHeldTokens = std::int64_t{1} << 22;  // of rows that wait for a pass: 32 MB
constexpr std::int64_t kFewestTokens = 16;                   // of a prefix at its longest

// A coefficient that is wanted of a row: of which cell, at which position, and where it goes.
struct Wanted {
  int layer = 0, cell = 0;
  std::int64_t position = 0;
  double* to = nullptr;
};

// Rows, each once, and what is wanted of them.
class RowsToRun {
 public:
  void want(const Row& row, const Wanted& wanted) {
    const auto [entry, fresh] = rows_.try_emplace(row);
    if (fresh) tokens_ += static_cast<std::int64_t>(row.size());
    entry->second.push_back(wanted);
  }
  std::int64_t tokens() const { return tokens_; }  // of all rows
  // Runs the rows and calls `after_batch` behind each batch.
  void run(const Model& model, std::int64_t token_budget, const std::function<void()>& after_batch) const;

 private:
  using Entry = std::pair<const Row, std::vector<Wanted>>;
  static void run_batch(const Model& model, const std::vector<const Entry*>& batch,
                        const std::vector<int>& layers);
  std::vector<int> layers() const;

  std::map<Row, std::vector<Wanted>> rows_;
  std::int64_t tokens_ = 0;
};

std::vector<int> RowsToRun::layers() const {
  std::vector<int> layers;
  for (const auto& [row, wanted] : rows_)
    for (const Wanted& one : wanted) layers.push_back(one.layer);
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

// One pass over some rows: of every layer the keys at all positions that are wanted of any of its cells.
void RowsToRun::run_batch(const Model& model, const std::vector<const Entry*>& batch,
                          const std::vector<int>& layers) {
  PassInput input;
  std::vector<std::int64_t> tokens;                                       // packed
  std::vector<std::map<std::int64_t, std::int64_t>> place(batch.size());  // by position: index into tokens
  std::int64_t packed = 0;
  for (std::size_t r = 0; r < batch.size(); ++r) {
    input.ids.push_back(batch[r]->first);
    for (const Wanted& one : batch[r]->second) place[r].emplace(one.position, 0);
    for (auto& [position, index] : place[r]) {
      index = static_cast<std::int64_t>(tokens.size());
      tokens.push_back(packed + position);
    }
    packed += static_cast<std::int64_t>(batch[r]->first.size());
  }
  const at::Tensor at = index_tensor(tokens, model.options().device());
  for (const int layer : layers) input.recordings.push_back({Site::kKey, layer, at});
  input.stop = PassInput::Stop::kKey;
  input.stop_block = layers.back();
  input.on_recorded = [&](std::size_t recording, const at::Tensor& vectors) {
    const at::Tensor keys = vectors.to(at::kCPU, at::kFloat).contiguous();
    const auto numbers = keys.accessor<float, 2>();
    for (std::size_t r = 0; r < batch.size(); ++r)
      for (const Wanted& one : batch[r]->second)
        if (one.layer == layers[recording]) *one.to = numbers[place[r].at(one.position)][one.cell];
  };
  model.forward(input);
}

void RowsToRun::run(const Model& model, std::int64_t token_budget,
                    const std::function<void()>& after_batch) const {
  std::vector<const Entry*> order;
  for (const Entry& entry : rows_) order.push_back(&entry);
  std::stable_sort(order.begin(), order.end(),
                   [](const Entry* a, const Entry* b) { return a->first.size() < b->first.size(); });
  std::vector<std::int64_t> lengths;
  for (const Entry* entry : order) lengths.push_back(static_cast<std::int64_t>(entry->first.size()));
  const std::vector<int> all = layers();
  for (const auto& range : split_by_size(lengths, token_budget)) {
    run_batch(model,
              {order.begin() + static_cast<std::ptrdiff_t>(range.begin),
               order.begin() + static_cast<std::ptrdiff_t>(range.end)},
              all);
    after_batch();
  }
}

// The coefficients of one prefix of one cell, in the direction of its end.
struct Measured {
  double whole = kUnknown;
  std::array<double, kMutations> left = {kUnknown, kUnknown, kUnknown};
};

class MutationTest {
 public:
  MutationTest(const Model& model, const PatternOptions& patterns, const MutationOptions& options,
               PatternsOutcome& outcome, Progress& progress)
      : model_(model),
        options_(options),
        seed_(patterns.seed),
        outcome_(outcome),
        clock_(progress),
        index_(patterns.index),
        rows_(index_) {}

  void run() {
    std::vector<std::vector<Measured>> measured(outcome_.cells.size());
    outcome_.mutation_tokens = 0;
    clock_.begin("mutating prefixes", static_cast<std::int64_t>(measured.size()), "cells");
    RowsToRun rows;
    for (std::size_t c = 0, done = 0; c < measured.size(); ++c) {
      add_cell(outcome_.cells[c], measured[c], rows);
      if (c + 1 < measured.size() && rows.tokens() < kHeldTokens) continue;
      rows.run(model_, options_.token_budget, [&] { clock_.update(static_cast<std::int64_t>(done), ""); });
      outcome_.mutation_tokens += rows.tokens();
      rows = {};
      done = c + 1;
      clock_.update(static_cast<std::int64_t>(done), "");
    }
    clock_.end();
    outcome_.mutated.clear();
    for (std::size_t c = 0; c < outcome_.cells.size(); ++c)
      outcome_.mutated.push_back(summarize(outcome_.cells[c], measured[c]));
    add_layers();
    for (const auto& [stage, seconds] : clock_.seconds()) outcome_.seconds[stage] += seconds;
  }

 private:
  std::vector<PrefixUnit> units_of(const Row& ids) const {
    const auto opening = static_cast<std::size_t>(rows_.opening());
    if (options_.unit == MutationUnit::kToken) return token_units(ids.size(), opening);
    std::vector<std::string> texts;
    for (const std::int64_t id : ids) texts.push_back(rows_.text().token(id));
    return word_units(texts, opening);
  }

  void add_cell(const CellPatterns& cell, std::vector<Measured>& measured, RowsToRun& rows) const {
    const MemoryRecord record = index_.cell(cell.cell);
    const std::vector<MemoryExample>& examples = cell.high ? record.high : record.low;
    measured.resize(std::min(examples.size(), static_cast<std::size_t>(options_.top)));
    const Random random(seed_, kMutationStream + static_cast<std::uint64_t>(cell.cell.layer) * 16);
    for (std::size_t k = 0; k < measured.size(); ++k) {
      const Row ids = rows_.prefix_of(examples[k], options_.longest);
      const std::vector<PrefixUnit> units = units_of(ids);
      if (units.size() < 2) continue;
      const auto want = [&](const Row& row, std::int64_t position, double& to) {
        rows.want(row, {cell.cell.layer, cell.cell.index, position, &to});
      };
      const auto last = static_cast<std::int64_t>(ids.size()) - 1;
      want(ids, last, measured[k].whole);
      want(ids, static_cast<std::int64_t>(units.back().begin) - 1, left(measured[k], Mutation::kLast));
      const auto take = [&](const PrefixUnit& unit, double& to) {
        const Row row = without(ids, unit);
        want(row, static_cast<std::int64_t>(row.size()) - 1, to);
      };
      take(units.front(), left(measured[k], Mutation::kFirst));
      if (units.size() < 3) continue;
      const std::uint64_t draw = static_cast<std::uint64_t>(cell.cell.index) * 4096 + k;
      take(units[1 + random.below(draw, units.size() - 2)], left(measured[k], Mutation::kRandom));
    }
  }

  static double& left(Measured& measured, Mutation mutation) {
    return measured.left[static_cast<std::size_t>(mutation)];
  }

  CellMutation summarize(const CellPatterns& cell, const std::vector<Measured>& measured) const {
    CellMutation result{cell.cell, cell.high, 0, {}, kUnknown};
    std::array<double, kMutations> sums = {};
    std::array<int, kMutations> counts = {};
    const double sign = cell.high ? 1 : -1;
    for (const Measured& one : measured) {
      const double size = std::abs(one.whole);
      if (!(size > 0)) continue;
      ++result.prefixes;
      for (std::size_t m = 0; m < kMutations; ++m) {
        if (std::isnan(one.left[m])) continue;
        const double after = sign * one.left[m];
        sums[m] += 100 * ((options_.clip ? std::max(after, 0.0) : after) - size) / size;
        ++counts[m];
      }
    }
    for (std::size_t m = 0; m < kMutations; ++m)
      result.change[m] = counts[m] == 0 ? kUnknown : sums[m] / counts[m];
    const double last = result.change[static_cast<std::size_t>(Mutation::kLast)];
    if (!std::isnan(last)) result.shallow_index = std::clamp(-last / 100, 0.0, 1.0);
    return result;
  }

  static MutationShare share_of(const std::vector<double>& changes) {
    if (changes.empty()) return {kUnknown, kUnknown, kUnknown};
    const auto count = static_cast<double>(changes.size());
    double mean = 0, squares = 0;
    for (const double change : changes) mean += change / count;
    for (const double change : changes) squares += (change - mean) * (change - mean);
    const double error = changes.size() < 2 ? kUnknown : 1.96 * std::sqrt(squares / (count - 1) / count);
    return {mean, mean - error, mean + error};
  }

  void add_layers() {
    outcome_.mutations.clear();
    for (const LayerPatterns& layer : outcome_.layers) {
      LayerMutation summary;
      summary.layer = layer.layer;
      std::array<std::vector<double>, kMutations> changes;
      std::vector<double> indices;
      for (const CellMutation& cell : outcome_.mutated) {
        if (cell.cell.layer != layer.layer || cell.prefixes == 0) continue;
        ++summary.cells;
        summary.prefixes += cell.prefixes;
        for (std::size_t m = 0; m < kMutations; ++m)
          if (!std::isnan(cell.change[m])) changes[m].push_back(cell.change[m]);
        if (!std::isnan(cell.shallow_index)) indices.push_back(cell.shallow_index);
      }
      for (std::size_t m = 0; m < kMutations; ++m) summary.change[m] = share_of(changes[m]);
      summary.shallow_index = share_of(indices).mean;
      outcome_.mutations.push_back(summary);
    }
  }

  const Model& model_;
  const MutationOptions& options_;
  std::uint64_t seed_;
  PatternsOutcome& outcome_;
  StageClock clock_;
  MemoryIndex index_;
  TriggerRows rows_;
};

}  // namespace

std::string to_string(Mutation mutation) {
  static const std::array<std::string, kMutations> names = {"first", "last", "random"};
  return names[static_cast<std::size_t>(mutation)];
}

MutationUnit parse_mutation_unit(const std::string& text) {
  if (text == "word") return MutationUnit::kWord;
  if (text == "token") return MutationUnit::kToken;
  throw Error(ErrorKind::kUsage, fmt::format("the option unit must be word or token, found {}", quote(text)));
}

void check_mutations(const MutationOptions& options) {
  if (options.top < 1 || options.top > 1000)
    throw Error(ErrorKind::kUsage,
                fmt::format("the option mutations must be 1 to 1000, found {}", options.top));
  if (options.longest < kFewestTokens)
    throw Error(ErrorKind::kUsage, fmt::format("the option longest must be at least {}, found {}",
                                               kFewestTokens, options.longest));
}

void check_mutations(const Model& model, const PatternOptions& patterns, const MutationOptions& options) {
  check_mutations(options);
  if (options.longest > model.config().max_positions)
    throw Error(ErrorKind::kUsage, fmt::format("the option longest must be {} to {}, found {}", kFewestTokens,
                                               model.config().max_positions, options.longest));
  MemoryIndex(patterns.index).require_of(model);
}

void measure_mutations(const Model& model, const PatternOptions& patterns, const MutationOptions& options,
                       PatternsOutcome& outcome, Progress& progress) {
  const c10::NoGradGuard no_gradients;
  check_mutations(model, patterns, options);
  MutationTest(model, patterns, options, outcome, progress).run();
}

}  // namespace emend
