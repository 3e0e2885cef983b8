// Averages over facts by token role, and the ranking of layers. No tensors here.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "emend/locate.h"

namespace emend {

namespace {

constexpr double kNormal95 = 1.96;

// Mean and 1.96 standard deviations of the mean, over values that are finite.
struct Moments {
  double sum = 0, squares = 0;
  std::int64_t n = 0;
  void add(double x) {
    if (!std::isfinite(x)) return;
    sum += x;
    squares += x * x;
    ++n;
  }
  double mean() const {
    return n > 0 ? sum / static_cast<double>(n) : std::numeric_limits<double>::quiet_NaN();
  }
  double ci95() const {
    if (n < 2) return std::numeric_limits<double>::quiet_NaN();  // one fact says nothing about others
    const double variance = std::max(0.0, squares / static_cast<double>(n) - mean() * mean());
    return kNormal95 * std::sqrt(variance / static_cast<double>(n));
  }
};

// One value a layer for each fact.
class CurveSum {
 public:
  void add(const std::vector<double>& values) {
    if (values.empty()) return;
    moments_.resize(std::max(moments_.size(), values.size()));
    for (std::size_t l = 0; l < values.size(); ++l) moments_[l].add(values[l]);
    ++facts_;
  }
  LayerCurve curve() const {
    LayerCurve curve;
    for (const Moments& m : moments_) {
      curve.mean.push_back(m.mean());
      curve.ci95.push_back(m.ci95());
    }
    curve.facts = facts_;
    return curve;
  }

 private:
  std::vector<Moments> moments_;
  std::int64_t facts_ = 0;
};

// Effects of one fact in a role: the mean over the role's tokens of score - low; empty when no such row was
// run.
std::vector<double> role_effects(const Grid& grid, const std::vector<std::int64_t>& tokens, double low) {
  std::vector<double> effects;
  double rows = 0;
  for (const std::int64_t t : tokens) {
    if (static_cast<std::size_t>(t) >= grid.size() || grid[static_cast<std::size_t>(t)].empty()) continue;
    const std::vector<double>& row = grid[static_cast<std::size_t>(t)];
    effects.resize(row.size());
    for (std::size_t l = 0; l < row.size(); ++l) effects[l] += row[l] - low;
    ++rows;
  }
  for (double& effect : effects) effect /= rows;
  return effects;
}

std::vector<double> minus(std::vector<double> values, double subtracted) {
  for (double& value : values) value -= subtracted;
  return values;
}

std::vector<double> relative(std::vector<double> values, double whole) {
  for (double& value : values) value = (value - whole) / whole;
  return values;
}

struct RoleSums {
  CurveSum block, mlp, attention;
};

}  // namespace

std::vector<std::pair<std::string, std::vector<std::int64_t>>> token_roles(std::int64_t begin,
                                                                           std::int64_t end,
                                                                           std::int64_t tokens) {
  const auto range = [](std::int64_t from, std::int64_t to) {
    std::vector<std::int64_t> list;
    for (std::int64_t t = from; t < to; ++t) list.push_back(t);
    return list;
  };
  return {{"first subject token", {begin}},
          {"middle subject tokens", range(begin + 1, end - 1)},
          {"last subject token", {end - 1}},
          {"first subsequent token", range(end, std::min(end + 1, tokens))},
          {"further tokens", range(end + 1, tokens - 1)},
          {"last token", {tokens - 1}}};
}

TraceAverage average_traces(const std::vector<FactTrace>& traces) {
  TraceAverage average;
  Moments high, low, total;
  CurveSum ordinary, severed_mlp, severed_attention, cut_subject, cut_others, cut_last;
  std::vector<std::string> names;
  std::map<std::string, RoleSums> roles;
  std::map<std::string, CurveSum> agreement;
  for (const FactTrace& trace : traces) {
    if (!trace.correct) continue;
    ++average.facts;
    high.add(trace.high);
    low.add(trace.low);
    total.add(trace.high - trace.low);
    for (const auto& [role, tokens] : token_roles(trace.subject_begin, trace.subject_end,
                                                  static_cast<std::int64_t>(trace.tokens.size()))) {
      if (std::find(names.begin(), names.end(), role) == names.end()) names.push_back(role);
      RoleSums& sums = roles[role];
      sums.block.add(role_effects(trace.block, tokens, trace.low));
      sums.mlp.add(role_effects(trace.mlp, tokens, trace.low));
      sums.attention.add(role_effects(trace.attention, tokens, trace.low));
    }
    const auto lookup = static_cast<std::size_t>(trace.lookup());
    if (!trace.severed_mlp.empty() && lookup < trace.block.size())
      ordinary.add(minus(trace.block[lookup], trace.low));
    severed_mlp.add(minus(trace.severed_mlp, trace.low));
    severed_attention.add(minus(trace.severed_attention, trace.low));
    cut_subject.add(relative(trace.knockout_subject, trace.high));
    cut_others.add(relative(trace.knockout_others, trace.high));
    cut_last.add(relative(trace.knockout_last, trace.high));
    if (trace.block_estimate) agreement["block"].add({trace.block_estimate->rank_agreement});
    if (trace.mlp_estimate) agreement["mlp"].add({trace.mlp_estimate->rank_agreement});
    if (trace.attention_estimate) agreement["attention"].add({trace.attention_estimate->rank_agreement});
  }
  if (average.facts == 0) return average;
  average.high = high.mean();
  average.high_ci95 = high.ci95();
  average.low = low.mean();
  average.low_ci95 = low.ci95();
  average.total_effect = total.mean();
  average.total_effect_ci95 = total.ci95();
  for (const std::string& name : names) {
    const RoleSums& sums = roles.at(name);
    RoleAverage role{name, sums.block.curve(), sums.mlp.curve(), sums.attention.curve()};
    if (role.block.facts + role.mlp.facts + role.attention.facts > 0)
      average.roles.push_back(std::move(role));
  }
  average.severed_ordinary = ordinary.curve();
  average.severed_mlp = severed_mlp.curve();
  average.severed_attention = severed_attention.curve();
  average.knockout_subject = cut_subject.curve();
  average.knockout_others = cut_others.curve();
  average.knockout_last = cut_last.curve();
  for (const auto& [name, sum] : agreement) average.rank_agreement[name] = sum.curve();
  return average;
}

std::vector<LayerScore> rank_layers(const std::vector<FactTrace>& traces) {
  CurveSum sum;
  for (const FactTrace& trace : traces)
    if (trace.correct) sum.add(role_effects(trace.mlp, {trace.lookup()}, trace.low));
  const LayerCurve curve = sum.curve();
  std::vector<LayerScore> ranking;
  for (std::size_t l = 0; l < curve.mean.size(); ++l)
    ranking.push_back({static_cast<int>(l), curve.mean[l], curve.ci95[l]});
  std::stable_sort(ranking.begin(), ranking.end(),
                   [](const LayerScore& a, const LayerScore& b) { return a.score > b.score; });
  return ranking;
}

}  // namespace emend
