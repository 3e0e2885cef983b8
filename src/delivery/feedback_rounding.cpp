#include "delivery/feedback_rounding.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace emend {
namespace {

// mu in units of a row's rounding noise over its mean wanted square.
constexpr double kFirstMu = 1e-2, kLastMu = 1e9, kMuFactor = 3;

struct Block {
  BlockScales scales;
  BlockCodes codes;
  bool rescaled = false;
};

// The last code that is written: TQ2_0 has a fourth that its readers know, but it is a type of three levels.
std::uint8_t last_code(const BlockFormat& format) {
  return static_cast<std::uint8_t>(&format == &kTq2_0Format ? 2 : format.code_count - 1);
}

// By how much the value of element i changes when its code becomes `code`.
double step(const BlockFormat& format, const Block& block, std::size_t i, std::uint8_t code) {
  const double moved = format.value(block.scales, i, code);
  return moved - static_cast<double>(format.value(block.scales, i, block.codes[i]));
}

// The step that there is, downwards at the upper end.
double step_size(const BlockFormat& format, const NextCodes& next, const Block& block, std::size_t i) {
  const std::uint8_t code = block.codes[i];
  const double up = step(format, block, i, next.above[code]);
  return up != 0 ? up : step(format, block, i, next.below[code]);
}

// Whether the range of the block ends before a value of `wanted`: its nearest code is more than half a step
// away.
bool is_beyond(const BlockFormat& format, const NextCodes& next, const Block& block, const float* wanted) {
  constexpr double kMostSteps = 0.75;
  for (std::size_t i = 0; i < format.elements; ++i) {
    const std::uint8_t code = block.codes[i];
    const double size = std::max(std::abs(step(format, block, i, next.above[code])),
                                 std::abs(step(format, block, i, next.below[code])));
    if (std::abs(wanted[i] - format.value(block.scales, i, code)) > kMostSteps * size) return true;
  }
  return false;
}

// The nearest codes; a code stays where another one means the same value.
void round_nearest(const BlockFormat& format, Block& block, const float* wanted) {
  for (std::size_t i = 0; i < format.elements; ++i) {
    const std::uint8_t old = block.codes[i];
    const std::uint8_t code =
        std::min(format.round(block.scales, i, wanted[i]), std::max(last_code(format), old));
    if (format.value(block.scales, i, code) != format.value(block.scales, i, old)) block.codes[i] = code;
  }
}

double square_error(const BlockFormat& format, const Block& block, const float* wanted) {
  double sum = 0;
  for (std::size_t i = 0; i < format.elements; ++i) {
    const double error = wanted[i] - format.value(block.scales, i, block.codes[i]);
    sum += error * error;
  }
  return sum;
}

// The block on its own scales, or on new ones where these do not reach and new ones come closer.
Block round_block(const BlockFormat& format, const NextCodes& next, const Block& base, const float* wanted) {
  Block block = base;
  round_nearest(format, block, wanted);
  if (format.group_scales == GroupScales::kPower || !is_beyond(format, next, block, wanted)) return block;
  Block other = base;
  other.scales = format.choose(wanted);
  other.rescaled = true;
  round_nearest(format, other, wanted);
  return square_error(format, other, wanted) < square_error(format, block, wanted) ? other : block;
}

double dot(const double* a, const double* b, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(double* to, double factor, const double* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) to[i] += factor * from[i];
}

// How much lower the sum gets when an error changes by `change`, of which slope and curvature are the
// derivatives of the sum by this error (the curvature halved).
inline double gain_of(double change, double slope, double curvature) {
  return -change * (slope + change * curvature);
}

}  // namespace

NextCodes::NextCodes(const BlockFormat& format) {
  const auto codes = static_cast<unsigned>(last_code(format)) + 1;
  for (unsigned code = 0; code < format.code_count; ++code) {
    above[code] = below[code] = static_cast<std::uint8_t>(code);
    const float level = format.level(static_cast<std::uint8_t>(code));
    float next_above = INFINITY, next_below = -INFINITY;
    for (unsigned other = 0; other < codes; ++other) {
      const float found = format.level(static_cast<std::uint8_t>(other));
      if (found > level && found < next_above) {
        next_above = found;
        above[code] = static_cast<std::uint8_t>(other);
      } else if (found < level && found > next_below) {
        next_below = found;
        below[code] = static_cast<std::uint8_t>(other);
      }
    }
  }
}

// One row on its way. All have an entry for each column, but for the blocks and the residuals.
struct FeedbackRounding::Row {
  std::vector<Block> base, blocks;
  std::vector<double> error;      // e
  std::vector<double> gradient;   // (C + ridge I) e
  std::vector<double> residuals;  // e k_a, by key
  std::vector<double> pull;       // sum_a (e k_a) k_a
  std::vector<double> up, down;   // steps of the codes
  std::int64_t number = 0;
};

FeedbackRounding::FeedbackRounding(const FeedbackProblem& problem, const FeedbackOptions& options)
    : problem_(problem), options_(options), next_(*problem.format) {
  const auto F = static_cast<std::size_t>(problem.columns);
  diagonal_.assign(F, 1);
  if (problem.C != nullptr)
    for (std::size_t j = 0; j < F; ++j) diagonal_[j] = problem.C[j * F + j];
  else if (problem.diagonal != nullptr)
    diagonal_.assign(problem.diagonal, problem.diagonal + F);
  double trace = 0;
  for (const double entry : diagonal_) trace += entry;
  ridge_ = options.relative_ridge * trace / static_cast<double>(F);
  for (double& entry : diagonal_) entry += ridge_;
  key_squares_.assign(F, 0);
  for (std::int64_t a = 0; a < problem.key_count; ++a) {
    const double* const key = problem.keys + a * problem.columns;
    std::vector<double> wanted(static_cast<std::size_t>(problem.rows));
    for (std::size_t r = 0; r < wanted.size(); ++r)
      wanted[r] = dot(problem.change + r * F, key, problem.columns);
    const double norm = std::sqrt(dot(wanted.data(), wanted.data(), problem.rows));
    if (norm == 0) continue;
    for (const double value : wanted) wanted_.push_back(value / norm);
    for (std::size_t j = 0; j < F; ++j) {
      keys_.push_back(key[j] / norm);
      key_squares_[j] += keys_.back() * keys_.back();
    }
    ++key_count_;
  }
}

void FeedbackRounding::set_steps(Row& row, std::int64_t column) const {
  const auto j = static_cast<std::size_t>(column), elements = std::size_t{problem_.format->elements};
  const Block& block = row.blocks[j / elements];
  const std::uint8_t code = block.codes[j % elements];
  row.up[j] = step(*problem_.format, block, j % elements, next_.above[code]);
  row.down[j] = step(*problem_.format, block, j % elements, next_.below[code]);
}

FeedbackRounding::Row FeedbackRounding::start(std::int64_t number) const {
  const BlockFormat& format = *problem_.format;
  const auto F = static_cast<std::size_t>(problem_.columns), elements = std::size_t{format.elements};
  Row row;
  row.number = number;
  for (auto* const field : {&row.error, &row.gradient, &row.pull, &row.up, &row.down}) field->assign(F, 0);
  row.residuals.assign(key_count_, 0);
  row.base.resize(F / elements);
  for (std::size_t b = 0; b < row.base.size(); ++b) start_block(row, b);
  for (std::size_t a = 0; a < key_count_; ++a) {
    row.residuals[a] = dot(row.error.data(), &keys_[a * F], problem_.columns);
    add_scaled(row.pull.data(), row.residuals[a], &keys_[a * F], F);
  }
  return row;
}

void FeedbackRounding::start_block(Row& row, std::size_t number) const {
  const BlockFormat& format = *problem_.format;
  const std::size_t first = number * format.elements, blocks = row.base.size();
  const auto above = static_cast<std::size_t>(row.number);
  const double* const change = problem_.change + above * static_cast<std::size_t>(problem_.columns) + first;
  Block& base = row.base[number];
  format.unpack(problem_.base.data() + (above * blocks + number) * problem_.block_bytes, base.scales,
                base.codes);
  std::array<double, kMostBlockElements> exact{};
  std::array<float, kMostBlockElements> wanted{};
  for (std::size_t i = 0; i < format.elements; ++i) {
    exact[i] = format.value(base.scales, i, base.codes[i]) + change[i];
    wanted[i] = static_cast<float>(exact[i]);
  }
  row.blocks.push_back(round_block(format, next_, base, wanted.data()));
  for (std::size_t i = 0; i < format.elements; ++i) {
    const Block& block = row.blocks.back();
    row.error[first + i] = format.value(block.scales, i, block.codes[i]) - exact[i];
    set_steps(row, static_cast<std::int64_t>(first + i));
  }
}

void FeedbackRounding::move(Row& row, std::size_t column, double change) const {
  const std::size_t F = row.error.size(), elements = problem_.format->elements;
  std::uint8_t& code = row.blocks[column / elements].codes[column % elements];
  code = change == row.up[column] ? next_.above[code] : next_.below[code];
  row.error[column] += change;
  row.gradient[column] += (problem_.C == nullptr ? diagonal_[column] : ridge_) * change;
  if (problem_.C != nullptr) add_scaled(row.gradient.data(), change, problem_.C + column * F, F);
  for (std::size_t a = 0; a < key_count_; ++a) {
    const double moved = change * keys_[a * F + column];
    row.residuals[a] += moved;
    add_scaled(row.pull.data(), moved, &keys_[a * F], F);
  }
  set_steps(row, static_cast<std::int64_t>(column));
}

// The column whose code is best moved by one, and by how much its value changes; 0: no move lowers the sum.
// Columns are seen in groups: the largest gain of a group without a branch, so that the compiler can take
// several columns at once, and then the place of the largest of all.
FeedbackRounding::Move FeedbackRounding::best_move(const Row& row, double mu) const {
  constexpr double kLeastGain = 1e-9;  // of the move's own square, so that rounding errors end no descent
  constexpr std::size_t kGroup = 32;   // divides every row of blocks
  const std::size_t F = row.error.size();
  Move best;
  double largest = 0;
  for (std::size_t first = 0; first < F; first += kGroup) {
    double gains[kGroup];
    for (std::size_t i = 0; i < kGroup; ++i) {
      const std::size_t j = first + i;
      const double slope = 2 * (row.gradient[j] + mu * row.pull[j]);
      const double curvature = (1 + kLeastGain) * (diagonal_[j] + mu * key_squares_[j]);
      const double up = gain_of(row.up[j], slope, curvature), down = gain_of(row.down[j], slope, curvature);
      gains[i] = up > down ? up : down;
    }
    double lanes[4] = {0, 0, 0, 0};
    for (std::size_t i = 0; i < kGroup; i += 4)
      for (std::size_t l = 0; l < 4; ++l) lanes[l] = gains[i + l] > lanes[l] ? gains[i + l] : lanes[l];
    const double most = std::max(std::max(lanes[0], lanes[1]), std::max(lanes[2], lanes[3]));
    if (!(most > largest)) continue;
    largest = most;
    const auto place = static_cast<std::size_t>(std::find(gains, gains + kGroup, most) - gains);
    best.column = first + place;
  }
  if (largest == 0) return best;
  const double slope = 2 * (row.gradient[best.column] + mu * row.pull[best.column]);
  const double curvature = (1 + kLeastGain) * (diagonal_[best.column] + mu * key_squares_[best.column]);
  const double up = row.up[best.column], down = row.down[best.column];
  best.change = gain_of(up, slope, curvature) > gain_of(down, slope, curvature) ? up : down;
  return best;
}

// Moves codes by one, the best first, until no single move lowers the sum.
void FeedbackRounding::descend(Row& row, double mu) const {
  for (std::size_t moves = 0; moves < 16 * row.error.size(); ++moves) {
    const Move best = best_move(row, mu);
    if (best.change == 0) return;
    move(row, best.column, best.change);
  }
}

bool FeedbackRounding::arrived(const Row& row) const {
  const double mean_square = 1 / static_cast<double>(problem_.rows);
  for (std::size_t a = 0; a < key_count_; ++a) {
    const double wanted = wanted_[a * static_cast<std::size_t>(problem_.rows) + row.number];
    const double most = options_.tolerance * options_.tolerance * (wanted * wanted + mean_square);
    if (row.residuals[a] * row.residuals[a] > most) return false;
  }
  return true;
}

double FeedbackRounding::noise(const Row& row) const {
  double sum = 0;
  for (std::size_t j = 0; j < row.up.size(); ++j) {
    const double size = row.up[j] != 0 ? row.up[j] : row.down[j];
    sum += size * size / 12 * diagonal_[j];
  }
  return sum;
}

double FeedbackRounding::stray(const Row& row) const {
  return dot(row.error.data(), row.gradient.data(), problem_.columns);
}

// A row of a fine type arrives as it is rounded; it moves only if its stray change is not below what rounding
// costs anyway.
void FeedbackRounding::improve(Row& row) const {
  constexpr double kMostStray = 0.9;
  const double cost = noise(row), unit = cost * static_cast<double>(problem_.rows);
  if (arrived(row) && stray(row) > kMostStray * cost) descend(row, kFirstMu * unit);
  for (double mu = kFirstMu; mu < kLastMu && !arrived(row); mu *= kMuFactor) descend(row, mu * unit);
}

void FeedbackRounding::store(const Row& row, std::int64_t number, std::span<std::byte> to) const {
  const std::size_t first = static_cast<std::size_t>(number) * row.blocks.size();
  for (std::size_t b = 0; b < row.blocks.size(); ++b) {
    const std::size_t at = (first + b) * problem_.block_bytes;
    if (!row.blocks[b].rescaled && row.blocks[b].codes == row.base[b].codes)
      std::memcpy(to.data() + at, problem_.base.data() + at, problem_.block_bytes);
    else
      problem_.format->pack(row.blocks[b].scales, row.blocks[b].codes, to.data() + at);
  }
}

void FeedbackRounding::first_errors(std::int64_t begin, std::int64_t end, double* errors) const {
  for (std::int64_t r = begin; r < end; ++r) {
    const Row row = start(r);
    std::copy(row.error.begin(), row.error.end(), errors + (r - begin) * problem_.columns);
  }
}

void FeedbackRounding::round_rows(std::int64_t begin, std::int64_t end, const double* products,
                                  std::span<std::byte> to) const {
  const auto F = static_cast<std::size_t>(problem_.columns);
  for (std::int64_t r = begin; r < end; ++r) {
    Row row = start(r);
    const double* const product = products + static_cast<std::size_t>(r - begin) * F;
    for (std::size_t j = 0; j < F; ++j) row.gradient[j] = product[j] + ridge_ * row.error[j];
    improve(row);
    store(row, r, to);
  }
}

double rounding_noise(const BlockFormat& format, std::size_t block_bytes, std::span<const std::byte> base,
                      std::int64_t columns, const double* diagonal) {
  const std::size_t per_row = static_cast<std::size_t>(columns) / format.elements;
  const NextCodes next(format);
  double sum = 0;
  for (std::size_t b = 0; b < base.size() / block_bytes; ++b) {
    Block block;
    format.unpack(base.data() + b * block_bytes, block.scales, block.codes);
    for (std::size_t i = 0; i < format.elements; ++i) {
      const double size = step_size(format, next, block, i);
      const std::size_t column = b % per_row * format.elements + i;
      sum += size * size / 12 * (diagonal == nullptr ? 1 : diagonal[column]);
    }
  }
  return sum;
}

std::int64_t changed_blocks(std::span<const std::byte> a, std::span<const std::byte> b,
                            std::size_t block_bytes) {
  std::int64_t count = 0;
  for (std::size_t at = 0; at < a.size(); at += block_bytes)
    if (std::memcmp(a.data() + at, b.data() + at, block_bytes) != 0) ++count;
  return count;
}

}  // namespace emend
