// Good scales for a block, BlockFormat::choose, and the writers that use them.
//
// Each group is fitted alone first: for a few trial scales every value takes the nearest level, and least
// squares give the best scale and minimum for these levels. Then d and dmin are chosen so that their
// multiples come close, and the codes of each group and d and dmin in turn are improved on the real error.
#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "io/block_format.h"
#include "io/half.h"

namespace emend {
namespace {

constexpr float kLargestHalf = 65504;

// A block, or one group of it.
struct Sample {
  const float* values;
  const float* weights;
  std::size_t count;

  Sample part(std::size_t begin, std::size_t size) const { return {values + begin, weights + begin, size}; }
};

struct Line {
  double scale = 0, minimum = 0;
};

struct Fit {
  Line line;
  double error = INFINITY;
};

// Weighted sums over a group whose values take the nearest levels on a line.
struct Sums {
  double w = 0, l = 0, ll = 0, x = 0, xl = 0;
  double error = 0;  // of the line
};

// The nearest of evenly spaced levels; without branches, so that loops over it are vectorised.
class EvenLevels {
 public:
  explicit EvenLevels(const BlockFormat& format)
      : first_(format.lowest), last_(static_cast<double>(format.lowest) + format.code_count - 1) {}
  double nearest(double level) const {
    constexpr double kWhole = 0x1.8p52;  // from here on doubles are whole numbers
    const double limited = std::min(std::max(level, first_), last_);
    return (limited + kWhole) - kWhole;
  }

 private:
  double first_, last_;
};

// The nearest of 16 listed levels, which rise.
class ListedLevels {
 public:
  explicit ListedLevels(const BlockFormat& format) : first_(format.levels[0]) {
    for (std::size_t i = 0; i < middles_.size(); ++i) {
      middles_[i] = (format.levels[i] + format.levels[i + 1]) / 2.0;
      gaps_[i] = format.levels[i + 1] - format.levels[i];
    }
  }
  double nearest(double level) const {
    double found = first_;
    for (std::size_t i = 0; i < middles_.size(); ++i) found += level > middles_[i] ? gaps_[i] : 0.0;
    return found;
  }

 private:
  double first_;
  std::array<double, 15> middles_{}, gaps_{};
};

template <typename Levels>
Sums sums_over(const Levels& levels, const Sample& group, const Line& line) {
  const double inverse = line.scale == 0 ? 0 : 1 / line.scale;
  // Two sums of each kind, which a processor adds at once.
  Sums sums[2];
  for (std::size_t i = 0; i + 1 < group.count; i += 2)
    for (std::size_t k = 0; k < 2; ++k) {
      const double value = group.values[i + k], weight = group.weights[i + k];
      const double level = levels.nearest((value + line.minimum) * inverse);
      const double off = line.scale * level - line.minimum - value;
      sums[k].w += weight;
      sums[k].l += weight * level;
      sums[k].ll += weight * level * level;
      sums[k].x += weight * value;
      sums[k].xl += weight * value * level;
      sums[k].error += weight * off * off;
    }
  return {sums[0].w + sums[1].w, sums[0].l + sums[1].l,   sums[0].ll + sums[1].ll,
          sums[0].x + sums[1].x, sums[0].xl + sums[1].xl, sums[0].error + sums[1].error};
}

Sums sums_over(const BlockFormat& format, const Sample& group, const Line& line) {
  if (format.levels == nullptr) return sums_over(EvenLevels(format), group, line);
  return sums_over(ListedLevels(format), group, line);
}

double error_of(const BlockFormat& format, const Sample& group, const Line& line) {
  return sums_over(format, group, line).error;
}

// The least-squares line through the values for the levels that they took on `line`.
Line refit(const BlockFormat& format, const Sums& s, const Line& line) {
  if (format.has_minimum()) {
    const double determinant = s.w * s.ll - s.l * s.l;
    const Line both = {(s.w * s.xl - s.l * s.x) / determinant, (s.l * s.xl - s.ll * s.x) / determinant};
    const bool can_be_stored = format.group_scales == GroupScales::kHalfAndHalf || both.minimum >= 0;
    if (determinant > 0 && both.scale > 0 && can_be_stored) return both;
  }
  return s.ll > 0 ? Line{s.xl / s.ll, 0} : line;
}

void improve(const BlockFormat& format, const Sample& group, Line line, Fit& best) {
  constexpr int kTries = 2;
  for (int tries = 0; tries < kTries; ++tries) {
    const Sums sums = sums_over(format, group, line);
    if (sums.error < best.error) best = {line, sums.error};
    line = refit(format, sums, line);
  }
}

// Trial scales put the ends of the values at the ends of the levels, and up to a step off.
constexpr double kTrialSteps[] = {0, -0.9, -0.6, -0.4, -0.2, 0.2, 0.4, 0.6, 0.9};

Fit fit_with_minimum(const BlockFormat& format, const Sample& group) {
  const auto [low, high] = std::minmax_element(group.values, group.values + group.count);
  const bool signed_minimum = format.group_scales == GroupScales::kHalfAndHalf;
  const double minimum = signed_minimum ? -double{*low} : std::max(0.0, -double{*low});
  const double spread = *high + minimum;
  Fit best{{0, minimum}, error_of(format, group, {0, minimum})};
  if (spread <= 0) return best;
  for (const double steps : kTrialSteps)
    improve(format, group, {spread / (static_cast<double>(format.code_count) - 1 + steps), minimum}, best);
  return best;
}

Fit fit_without_minimum(const BlockFormat& format, const Sample& group) {
  float largest = 0;
  for (std::size_t i = 0; i < group.count; ++i)
    if (std::abs(group.values[i]) > std::abs(largest)) largest = group.values[i];
  Fit best{{0, 0}, error_of(format, group, {0, 0})};
  if (largest == 0) return best;
  const double first = format.level(0), last = format.level(static_cast<std::uint8_t>(format.code_count - 1));
  const double step = std::max(1.0, (last - first) / format.code_count);
  for (const double end : {first, last})
    for (const double steps : kTrialSteps) {
      const double level = end + std::copysign(steps * step, end);
      if (level * end > 0) improve(format, group, {largest / level, 0}, best);
    }
  return best;
}

std::uint16_t stored_half(double value) {
  const double limited = std::clamp(value, -double{kLargestHalf}, double{kLargestHalf});
  return float_to_half(static_cast<float>(limited));
}

std::int16_t stored_code(const BlockFormat& format, double wanted, float unit) {
  if (unit == 0) return static_cast<std::int16_t>(std::max(format.least_code, 0));
  const double code = std::nearbyint(wanted / unit);
  return static_cast<std::int16_t>(
      std::clamp(code, static_cast<double>(format.least_code), static_cast<double>(format.most_code)));
}

class BlockSearch {
 public:
  BlockSearch(const BlockFormat& format, const Sample& block) : format_(format), block_(block) {}

  BlockScales run() {
    for (std::size_t g = 0; g < format_.groups; ++g) {
      const Sample sample = group(g);
      lines_[g] =
          (format_.has_minimum() ? fit_with_minimum(format_, sample) : fit_without_minimum(format_, sample))
              .line;
    }
    if (format_.group_scales == GroupScales::kHalf || format_.group_scales == GroupScales::kHalfAndHalf)
      return one_group();
    BlockScales best = first_codes();
    double least = error(best);
    for (int round = 0; round < kRounds; ++round) {
      BlockScales next = best;
      refit_units(next);
      choose_codes(next);
      const double found = error(next);
      if (!(found < least)) break;
      best = next;
      least = found;
    }
    return best;
  }

 private:
  static constexpr int kRounds = 4;

  Sample group(std::size_t g) const {
    return block_.part(g * format_.group_elements(), format_.group_elements());
  }

  BlockScales one_group() const {
    BlockScales scales;
    scales.d = stored_half(lines_[0].scale);
    if (format_.has_minimum()) scales.dmin = stored_half(-lines_[0].minimum);
    format_.apply_codes(scales);
    return scales;
  }

  // The group of largest scale gets the code of largest magnitude.
  BlockScales first_codes() const {
    double scale = 0, minimum = 0;
    for (std::size_t g = 0; g < format_.groups; ++g) {
      if (std::abs(lines_[g].scale) > std::abs(scale)) scale = lines_[g].scale;
      minimum = std::max(minimum, lines_[g].minimum);
    }
    BlockScales scales;
    scales.d = stored_half(scale / (format_.least_code < 0 ? format_.least_code : format_.most_code));
    if (format_.has_minimum()) scales.dmin = stored_half(minimum / format_.most_code);
    choose_codes(scales);
    return scales;
  }

  double group_error(const BlockScales& scales, std::size_t g) const {
    return error_of(format_, group(g), {scales.scale[g], scales.minimum[g]});
  }

  double error(const BlockScales& scales) const {
    double sum = 0;
    for (std::size_t g = 0; g < format_.groups; ++g) sum += group_error(scales, g);
    return sum;
  }

  // For these d and dmin, the codes of each group that err least: those nearest to its fit, or beside them.
  void choose_codes(BlockScales& scales) const {
    const float d = half_to_float(scales.d), dmin = half_to_float(scales.dmin);
    for (std::size_t g = 0; g < format_.groups; ++g) {
      std::int16_t& scale = scales.scale_code[g];
      std::int16_t& minimum = scales.minimum_code[g];
      scale = stored_code(format_, lines_[g].scale, d);
      if (format_.has_minimum()) minimum = stored_code(format_, lines_[g].minimum, dmin);
      const auto error_here = [&] {
        return error_of(format_, group(g),
                        {d * static_cast<float>(scale), dmin * static_cast<float>(minimum)});
      };
      double least = error_here();
      if (format_.has_minimum()) try_neighbours(minimum, least, error_here);
      try_neighbours(scale, least, error_here);
    }
    format_.apply_codes(scales);
  }

  template <typename Error>
  void try_neighbours(std::int16_t& code, double& least, const Error& error_here) const {
    const std::int16_t middle = code;
    std::int16_t best = code;
    for (const int step : {-1, 1}) {
      if (middle + step < format_.least_code || middle + step > format_.most_code) continue;
      code = static_cast<std::int16_t>(middle + step);
      const double found = error_here();
      if (found >= least) continue;
      least = found;
      best = code;
    }
    code = best;
  }

  // The d and dmin of least squares for the codes and levels of `scales`.
  void refit_units(BlockScales& scales) const {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;  // value = a d - b dmin
    for (std::size_t i = 0; i < format_.elements; ++i) {
      const std::size_t g = i / format_.group_elements();
      const double value = block_.values[i], weight = double{block_.weights[i]};
      const double a =
          scales.scale_code[g] * double{format_.level(format_.round(scales, i, block_.values[i]))};
      const double b = -scales.minimum_code[g];
      aa += weight * a * a;
      ab += weight * a * b;
      bb += weight * b * b;
      ax += weight * a * value;
      bx += weight * b * value;
    }
    const double determinant = aa * bb - ab * ab;
    if (format_.has_minimum() && determinant > 1e-12 * aa * bb) {
      scales.d = stored_half((ax * bb - bx * ab) / determinant);
      scales.dmin = stored_half((bx * aa - ax * ab) / determinant);
    } else if (aa > 0) {
      scales.d = stored_half((ax + ab * -half_to_float(scales.dmin)) / aa);
    }
    format_.apply_codes(scales);
  }

  const BlockFormat& format_;
  Sample block_;
  std::array<Line, kMostBlockGroups> lines_{};
};

void write_blocks(const BlockFormat& format, std::size_t block_bytes, const float* from, std::byte* to,
                  std::size_t blocks) {
  BlockCodes codes{};
  for (std::size_t b = 0; b < blocks; ++b, from += format.elements, to += block_bytes) {
    const BlockScales scales = format.choose(from);
    for (std::size_t i = 0; i < format.elements; ++i) codes[i] = format.round(scales, i, from[i]);
    format.pack(scales, codes, to);
  }
}

}  // namespace

BlockScales BlockFormat::choose(const float* values, const float* weights) const {
  if (const auto exact = recover_scales(*this, values)) return *exact;
  std::array<float, kMostBlockElements> ones;
  ones.fill(1);
  return BlockSearch(*this, {values, weights == nullptr ? ones.data() : weights, elements}).run();
}

void write_q2_k(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kQ2_KFormat, 84, from, to, blocks);
}

void write_q3_k(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kQ3_KFormat, 110, from, to, blocks);
}

void write_q4_k(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kQ4_KFormat, 144, from, to, blocks);
}

void write_q5_k(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kQ5_KFormat, 176, from, to, blocks);
}

void write_q6_k(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kQ6_KFormat, 210, from, to, blocks);
}

void write_iq4_nl(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kIq4NlFormat, 18, from, to, blocks);
}

void write_iq4_xs(const float* from, std::byte* to, std::size_t blocks) {
  write_blocks(kIq4XsFormat, 136, from, to, blocks);
}

}  // namespace emend
