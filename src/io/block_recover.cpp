// Scales of a block whose values already lie on a grid of its type: recover_scales.
//
// The values of a group lie on a line of evenly spaced points. Its step is found as the spread of the values
// divided by the fewest steps that put all of them on points. Then a d is looked for whose multiples, by
// codes that the type has, are all these steps (or fractions of them), and in the same way a dmin. Whatever
// is found is compared with the values bit for bit, so a wrong guess costs time and nothing else.
#include <algorithm>
#include <bit>
#include <cmath>

#include "io/block_format.h"
#include "io/half.h"

namespace emend {
namespace {

constexpr double kNearInteger = 1e-2;   // of a step: above what float32 rounding of the values makes
constexpr double kRounding = 0x1p-22;   // relative: a few units of float32
constexpr double kNearMultiple = 1e-4;  // relative: below half a unit of a half's 11 bits

bool near_integer(double x, double margin) {
  return std::abs(x - std::nearbyint(x)) <= margin;
}

bool holds_all(const BlockFormat& format, const BlockScales& scales, const float* values) {
  for (std::size_t i = 0; i < format.elements; ++i) {
    const float held = format.value(scales, i, format.round(scales, i, values[i]));
    if (std::bit_cast<std::uint32_t>(held) != std::bit_cast<std::uint32_t>(values[i]) &&
        !(held == 0 && values[i] == 0))
      return false;
  }
  return true;
}

// The points of one group: `low` + step k for k up to `steps`. step 0: all values are the same.
struct Points {
  double low = 0, step = 0;
  int steps = 0;
};

// std::nullopt if no spacing of at most `most` steps holds all values. `zero`: 0 is a point, too.
std::optional<Points> find_points(const float* values, std::size_t count, int most, bool zero) {
  const auto [least, greatest] = std::minmax_element(values, values + count);
  const double low = zero ? std::min(0.0F, *least) : *least;
  const double high = zero ? std::max(0.0F, *greatest) : *greatest;
  if (high == low) return Points{low, 0, 0};
  for (int steps = 1; steps <= most; ++steps) {
    const double step = (high - low) / steps;
    const bool all =
        std::all_of(values, values + count,
                    [&](float value) { return near_integer((value - low) / step, kNearInteger); }) &&
        (!zero || near_integer(low / step, kNearInteger));
    if (all) return Points{low, step, steps};
  }
  return std::nullopt;
}

class Recovery {
 public:
  Recovery(const BlockFormat& format, const float* values) : format_(format), values_(values) {}

  std::optional<BlockScales> run() {
    if (format_.levels != nullptr) return listed_levels();
    const int most = static_cast<int>(format_.code_count) - 1;
    for (std::size_t g = 0; g < format_.groups; ++g) {
      const auto found = find_points(values_ + g * format_.group_elements(), format_.group_elements(), most,
                                     !format_.has_minimum());
      if (!found) return std::nullopt;
      points_[g] = *found;
    }
    switch (format_.group_scales) {
      case GroupScales::kHalf:
        return one_half();
      case GroupScales::kCodes:
        return scale_codes();
      case GroupScales::kTwoCodes:
        return scale_and_minimum_codes();
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<BlockScales> checked(BlockScales scales) const {
    format_.apply_codes(scales);
    if (holds_all(format_, scales, values_)) return scales;
    return std::nullopt;
  }

  // One group, few levels: the largest value is at one of them.
  std::optional<BlockScales> listed_levels() const {
    if (format_.group_scales != GroupScales::kHalf) return std::nullopt;
    const float largest = *std::max_element(values_, values_ + format_.elements,
                                            [](float a, float b) { return std::abs(a) < std::abs(b); });
    for (std::uint32_t code = 0; code < format_.code_count; ++code) {
      BlockScales scales;
      scales.d = float_to_half(largest / format_.level(static_cast<std::uint8_t>(code)));
      if (const auto exact = checked(scales)) return exact;
    }
    return std::nullopt;
  }

  // The points are multiples of d, of either sign; a finer d may be the stored one.
  std::optional<BlockScales> one_half() const {
    for (int fraction = 1; fraction <= 4; ++fraction)
      for (const double sign : {1.0, -1.0}) {
        BlockScales scales;
        scales.d = float_to_half(static_cast<float>(sign * points_[0].step / fraction));
        if (const auto exact = checked(scales)) return exact;
      }
    return std::nullopt;
  }

  double largest_step() const {
    double step = 0;
    for (std::size_t g = 0; g < format_.groups; ++g) step = std::max(step, points_[g].step);
    return step;
  }

  // Whether d times some code is the step of this group, or a fraction of it that leaves all values on
  // levels; the code. Codes may be negative where levels are not symmetric.
  std::optional<std::int16_t> code_of(std::size_t g, double d) const {
    const Points& points = points_[g];
    if (points.step == 0) return std::int16_t{0};
    const int least = format_.lowest, most = format_.lowest + static_cast<int>(format_.code_count) - 1;
    for (int fraction = 1; fraction * points.steps < static_cast<int>(format_.code_count); ++fraction) {
      const double step = points.step / fraction, code = step / d;
      if (std::abs(code - std::nearbyint(code)) > kNearMultiple * std::abs(code) || std::nearbyint(code) == 0)
        continue;
      for (const int sign : {1, -1}) {
        const double signed_code = sign * std::nearbyint(code);
        if (signed_code < format_.least_code || signed_code > format_.most_code) continue;
        if (format_.has_minimum()) return static_cast<std::int16_t>(signed_code);
        const double low = sign * points.low / step,
                     high = sign * (points.low / step + fraction * points.steps);
        if (std::min(low, high) >= least - 0.5 && std::max(low, high) <= most + 0.5)
          return static_cast<std::int16_t>(signed_code);
      }
    }
    return std::nullopt;
  }

  bool fill_scale_codes(double d, BlockScales& scales) const {
    for (std::size_t g = 0; g < format_.groups; ++g) {
      const auto code = code_of(g, d);
      if (!code) return false;
      scales.scale_code[g] = *code;
    }
    return true;
  }

  int most_magnitude() const { return std::max(format_.most_code, -format_.least_code); }

  std::optional<BlockScales> scale_codes() const {
    const double largest = largest_step();
    if (largest == 0) return checked({});
    for (int code = most_magnitude(); code >= 1; --code)
      for (const int sign : {1, -1}) {  // the least code has no counterpart
        BlockScales scales;
        scales.d = float_to_half(static_cast<float>(sign * largest / code));
        const float d = half_to_float(scales.d);
        if (d == 0 || std::isinf(d) || !fill_scale_codes(d, scales)) continue;
        if (const auto exact = checked(scales)) return exact;
      }
    return std::nullopt;
  }

  std::optional<BlockScales> scale_and_minimum_codes() const {
    const double largest = largest_step();
    for (int code = format_.most_code; code >= 1; --code) {
      BlockScales scales;
      scales.d = float_to_half(static_cast<float>(largest / code));
      const float d = half_to_float(scales.d);
      if (std::isinf(d) || (largest > 0 && (d == 0 || !fill_scale_codes(d, scales)))) continue;
      if (const auto exact = minimum_codes(scales)) return exact;
      if (largest == 0) break;
    }
    return std::nullopt;
  }

  // How many steps further down than its least value a group can begin: its least code need not be 0.
  // Negative where the step is too small for the levels.
  int spare_steps(std::size_t g, double step) const {
    if (step == 0) return 0;
    return static_cast<int>(format_.code_count) - 1 -
           static_cast<int>(std::nearbyint(points_[g].steps * points_[g].step / step));
  }

  // The codes of the minima, once the scales are known. The group with the fewest choices names the dmin.
  std::optional<BlockScales> minimum_codes(BlockScales scales) const {
    const float d = half_to_float(scales.d);
    const std::size_t anchor = anchor_group(scales);
    const double step = d * static_cast<double>(scales.scale_code[anchor]);
    for (int down = 0; down <= spare_steps(anchor, step); ++down) {
      const double minimum = down * step - points_[anchor].low;
      if (minimum < 0) continue;
      for (int code = format_.most_code; code >= 1; --code) {
        BlockScales trial = scales;
        trial.dmin = float_to_half(static_cast<float>(minimum / code));
        if (!fill_minimum_codes(trial)) continue;
        if (const auto exact = checked(trial)) return exact;
      }
    }
    return std::nullopt;
  }

  // A group below 0 has a minimum; of these, the one that can begin in the fewest places.
  std::size_t anchor_group(const BlockScales& scales) const {
    const auto choices = [&](std::size_t g) {
      const int spare = spare_steps(g, half_to_float(scales.d) * static_cast<double>(scales.scale_code[g]));
      return points_[g].low < 0 ? spare : spare + static_cast<int>(format_.code_count);
    };
    std::size_t anchor = 0;
    for (std::size_t g = 1; g < format_.groups; ++g)
      if (choices(g) < choices(anchor)) anchor = g;
    return anchor;
  }

  bool fill_minimum_codes(BlockScales& scales) const {
    const double d = half_to_float(scales.d), dmin = half_to_float(scales.dmin);
    if (std::isinf(dmin)) return false;
    for (std::size_t g = 0; g < format_.groups; ++g)
      if (!fill_minimum_code(g, d, dmin, scales)) return false;
    return true;
  }

  // The scale may have to be a fraction of the one found: a group of two values fits many.
  bool fill_minimum_code(std::size_t g, double d, double dmin, BlockScales& scales) const {
    const int scale = scales.scale_code[g];
    for (int fraction = 1; fraction < 4; ++fraction) {
      if (scale % fraction != 0) continue;
      const double step = d * scale / fraction;
      for (int down = 0; down <= spare_steps(g, step); ++down) {
        const double minimum = down * step - points_[g].low;
        const double code = dmin == 0 ? 0 : std::nearbyint(minimum / dmin);
        const double margin = kRounding * (std::abs(minimum) + points_[g].steps * points_[g].step);
        if (code < 0 || code > format_.most_code || std::abs(code * dmin - minimum) > margin) continue;
        scales.scale_code[g] = static_cast<std::int16_t>(scale / fraction);
        scales.minimum_code[g] = static_cast<std::int16_t>(code);
        return true;
      }
    }
    return false;
  }

  const BlockFormat& format_;
  const float* values_;
  std::array<Points, kMostBlockGroups> points_{};
};

}  // namespace

std::optional<BlockScales> recover_scales(const BlockFormat& format, const float* values) {
  return Recovery(format, values).run();
}

}  // namespace emend
